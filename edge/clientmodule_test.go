package edge_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"weft/edge"
	"weft/jetstream"
)

// A page loads the client without a token, from whatever origin it comes, by GET and HEAD, and
// from a node that drains, which closes the connection after it.
func TestTheClientIsServedToAnybody(t *testing.T) {
	t.Parallel()
	const pathClient = "/_weft/v1/client.js"
	for _, p := range plainPaths {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := newStackOn(t, p, func(c *edge.Config, _ *jetstream.Config) {
				c.Auth.Anonymous.Allow = nil
				c.Public.CORSOrigins = []string{"https://shop.example"}
			})
			resp, body := s.do("GET", pathClient+"?v=1", "", "")
			if resp.StatusCode != http.StatusOK || !strings.Contains(body, "export{") || resp.Header.Get("Content-Type") != "text/javascript; charset=utf-8" {
				t.Fatalf("%d %v %.100s", resp.StatusCode, resp.Header, body)
			}
			tag := resp.Header.Get("ETag")
			if resp, _ := s.do("GET", pathClient, "", "", "If-None-Match", tag); resp.StatusCode != http.StatusNotModified {
				t.Errorf("who has it is answered %d", resp.StatusCode)
			}
			if resp, body := s.do("HEAD", pathClient, "no token", ""); resp.StatusCode != http.StatusOK || body != "" || resp.ContentLength <= 0 {
				t.Errorf("HEAD is answered %d, Content-Length %d, with %q", resp.StatusCode, resp.ContentLength, body)
			}
			if resp, body := s.do("POST", pathClient, "", "{}"); resp.StatusCode != http.StatusMethodNotAllowed || !strings.Contains(body, `"bad_request"`) {
				t.Errorf("POST is answered %d %s", resp.StatusCode, body)
			}
			for origin, want := range map[string][2]string{"https://shop.example": {"https://shop.example", "true"}, "https://else.example": {"*", ""}} {
				resp, _ := s.do("GET", pathClient, "", "", "Origin", origin)
				h := resp.Header
				if got := [2]string{h.Get("Access-Control-Allow-Origin"), h.Get("Access-Control-Allow-Credentials")}; got != want {
					t.Errorf("a page of %s is answered %v, want %v", origin, got, want)
				}
				if vary := strings.Join(h.Values("Vary"), ", "); !strings.Contains(vary, "Origin") || !strings.Contains(vary, "Accept-Encoding") {
					t.Errorf("the answer to %s varies by %s", origin, vary)
				}
			}
			s.must(s.edge.Drain(t.Context()))
			if resp, _ := s.do("GET", pathClient, "", ""); resp.StatusCode != http.StatusOK || !resp.Close {
				t.Errorf("a node that drains answers %d, closes %t", resp.StatusCode, resp.Close)
			}
			if slices.Contains(resp.Header.Values("Cache-Control"), "no-store") {
				t.Error("nobody may keep it")
			}
		})
	}
}

// What the client loads is beside it, and each is another module.
func TestWhatTheClientLoadsIsServedBesideIt(t *testing.T) {
	t.Parallel()
	s := newStack(t, func(c *edge.Config, _ *jetstream.Config) { c.Auth.Anonymous.Allow = nil })
	client, text := s.do("GET", "/_weft/v1/client.js", "", "")
	tags := map[string]bool{client.Header.Get("ETag"): true}
	for _, name := range []string{"client-tabs.js", "client-more.js"} {
		if !strings.Contains(text, `import("./`+name+`")`) {
			t.Errorf("the client loads %s from elsewhere", name)
		}
		for _, method := range []string{"GET", "HEAD"} {
			beside, body := s.do(method, "/_weft/v1/"+name, "", "", "Origin", "https://else.example")
			if beside.StatusCode != http.StatusOK || beside.Header.Get("Content-Type") != "text/javascript; charset=utf-8" || beside.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s %s is answered %d %v", method, name, beside.StatusCode, beside.Header)
			}
			if tag := beside.Header.Get("ETag"); tag == "" || method == "GET" && tags[tag] {
				t.Errorf("the tag of %s is %s", name, tag)
			} else {
				tags[tag] = true
			}
			if method == "GET" && !strings.Contains(body, "export{") {
				t.Errorf("%s is %.100s", name, body)
			}
		}
		if resp, _ := s.do("POST", "/_weft/v1/"+name, "", "{}"); resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("POST of %s is answered %d", name, resp.StatusCode)
		}
	}
}
