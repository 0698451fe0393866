package test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"weft/config/testkit/standstill"
	"weft/test/stage"
)

var openToAll = stage.Route{"mode": "none"}

// plainClient keeps connections of its own, and takes answers as they come.
func plainClient(t testing.TB, h2 bool) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!h2)
	protocols.SetUnencryptedHTTP2(h2)
	transport := &http.Transport{Protocols: protocols, DisableCompression: true, MaxIdleConnsPerHost: 100, ExpectContinueTimeout: 20 * time.Second}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// sendTo sends a request and returns the answer, whose body the test closes.
func sendTo(t testing.TB, c *http.Client, method, url string, body io.Reader, header ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(soon(t), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

func bodyOf(t testing.TB, res *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	return string(text)
}

// Answers pass as the back end gives them, whichever protocols client and back end speak.
func TestAnswersPassAsTheyAre(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(z, "compressed")
	_ = z.Close()
	back := stage.StartBackend(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		switch _, what, _ := strings.Cut(r.URL.Path[1:], "/"); what {
		case "gzip":
			h.Set("Content-Encoding", "gzip")
			_, _ = w.Write(zipped.Bytes())
		case "empty":
			w.WriteHeader(http.StatusNoContent)
		case "unchanged":
			h.Set("Etag", `"1"`)
			w.WriteHeader(http.StatusNotModified)
		case "moved":
			h.Set("Location", "http://back/elsewhere")
			w.WriteHeader(http.StatusFound)
		case "file":
			http.ServeContent(w, r, "a.txt", time.Unix(1, 0), strings.NewReader("0123456789"))
		case "hints":
			h.Set("Link", "</a.css>; rel=preload")
			h.Set("Weft-User", "eve")
			w.WriteHeader(http.StatusEarlyHints)
			clear(h)
			h.Set("Trailer", "X-Sum, Weft-Sum")
			_, _ = io.WriteString(w, "body")
			h.Set("X-Sum", "4")
			h.Set("Weft-Sum", "eve")
		case "refuse":
			w.WriteHeader(http.StatusExpectationFailed)
		case "echo":
			_, _ = io.Copy(w, r.Body)
		}
	})
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	stage.PutRoute(t, node, "h1", stage.Route{"pattern": "/h1/{rest...}", "target": back.URL(), "auth": openToAll})
	stage.PutRoute(t, node, "h2c", stage.Route{"pattern": "/h2c/{rest...}", "target": back.H2C(), "auth": openToAll})
	for _, front := range []bool{false, true} {
		for _, route := range []string{"h1", "h2c"} {
			t.Run(fmt.Sprintf("HTTP/2 in front %v, %s behind", front, route), func(t *testing.T) {
				client, url := plainClient(t, front), node.URL()+"/"+route
				res := sendTo(t, client, "GET", url+"/gzip", nil)
				if got := bodyOf(t, res); got != zipped.String() || res.Header.Get("Content-Encoding") != "gzip" {
					t.Errorf("%q, %v: it was unpacked", got, res.Header)
				}
				if asked := back.Received(); asked[len(asked)-1].Header["Accept-Encoding"] != nil || (asked[len(asked)-1].Proto == "HTTP/2.0") != (route == "h2c") {
					t.Errorf("the back end was asked %+v", asked[len(asked)-1])
				}
				for path, want := range map[string]int{"/empty": 204, "/unchanged": 304, "/moved": 302} {
					if res := sendTo(t, client, "GET", url+path, nil); res.StatusCode != want || bodyOf(t, res) != "" {
						t.Errorf("%s: status %d", path, res.StatusCode)
					}
				}
				if res := sendTo(t, client, "HEAD", url+"/file", nil); res.ContentLength != 10 || res.Header.Get("Accept-Ranges") != "bytes" {
					t.Errorf("HEAD has %d bytes, %v", res.ContentLength, res.Header)
				}
				res = sendTo(t, client, "GET", url+"/file", nil, "Range", "bytes=2-4")
				if got := bodyOf(t, res); res.StatusCode != 206 || got != "234" || res.Header.Get("Content-Range") != "bytes 2-4/10" {
					t.Errorf("a range is %d %q %v", res.StatusCode, got, res.Header)
				}
				hintsAndTrailers(t, client, url+"/hints")
				expectations(t, client, url, front)
			})
		}
	}
}

func hintsAndTrailers(t *testing.T, client *http.Client, url string) {
	t.Helper()
	var hints http.Header
	ctx := httptrace.WithClientTrace(soon(t), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		hints = http.Header(h)
		return nil
	}})
	r, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := bodyOf(t, res); got != "body" {
		t.Errorf("the body is %q", got)
	}
	if hints.Get("Link") == "" || hints.Get("Weft-User") != "" {
		t.Errorf("the hints are %v", hints)
	}
	if tr := res.Trailer; tr.Get("X-Sum") != "4" || len(tr) != 1 {
		t.Errorf("the trailers are %v", tr)
	}
}

// A watched body knows whether it was asked for.
type watchedBody struct {
	io.Reader
	read bool
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.read = true
	return b.Reader.Read(p)
}

// expectations holds that a body is asked for when the back end does. Over HTTP/2 Weft is
// not told that a client waits.
func expectations(t *testing.T, client *http.Client, url string, h2 bool) {
	t.Helper()
	body := &watchedBody{Reader: strings.NewReader("hello")}
	if res := sendTo(t, client, "POST", url+"/refuse", body, "Expect", "100-continue"); res.StatusCode != 417 || body.read && !h2 {
		t.Errorf("status %d, the body was sent: %v", res.StatusCode, body.read)
	}
	if got := bodyOf(t, sendTo(t, client, "POST", url+"/echo", strings.NewReader("hello"), "Expect", "100-continue")); got != "hello" {
		t.Errorf("the body was %q", got)
	}
}

// Each event passes when it is there, and each line in either direction.
func TestStreamsPassAsTheyCome(t *testing.T) {
	more := make(chan string)
	back := stage.StartBackend(t, func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		_ = c.EnableFullDuplex()
		if r.Method == "GET" {
			w.Header().Set("Content-Type", "text/event-stream")
			_ = c.Flush()
			for {
				select {
				case event := <-more:
					_, _ = io.WriteString(w, event)
					_ = c.Flush()
				case <-r.Context().Done():
					return
				}
			}
		}
		_ = c.Flush()
		for lines := bufio.NewReader(r.Body); ; {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			_, _ = io.WriteString(w, strings.ToUpper(line))
			_ = c.Flush()
		}
	})
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	stage.PutRoute(t, node, "h1", stage.Route{"pattern": "/h1/{rest...}", "target": back.URL(), "auth": openToAll})
	stage.PutRoute(t, node, "h2c", stage.Route{"pattern": "/h2c/{rest...}", "target": back.H2C(), "auth": openToAll})
	for _, front := range []bool{false, true} {
		for _, route := range []string{"h1", "h2c"} {
			t.Run(fmt.Sprintf("HTTP/2 in front %v, %s behind", front, route), func(t *testing.T) {
				client, url := plainClient(t, front), node.URL()+"/"+route
				events := bufio.NewReader(sendTo(t, client, "GET", url+"/events", nil).Body)
				for i := range 5 {
					more <- fmt.Sprintf("data: %d\n\n", i)
					line, err := events.ReadString('\n')
					if _, err2 := events.ReadString('\n'); err != nil || err2 != nil || line != fmt.Sprintf("data: %d\n", i) {
						t.Fatalf("event %d is %q: %v %v", i, line, err, err2)
					}
				}
				in, out := io.Pipe()
				lines := bufio.NewReader(sendTo(t, client, "POST", url+"/lines", in).Body)
				for i := range 5 {
					_, _ = fmt.Fprintf(out, "line %d\n", i)
					if line, err := lines.ReadString('\n'); err != nil || line != fmt.Sprintf("LINE %d\n", i) {
						t.Fatalf("line %d is %q: %v", i, line, err)
					}
				}
				_ = out.Close()
				if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
					t.Errorf("%q %v is left", rest, err)
				}
			})
		}
	}
}

// Who leaves is no failure of the back end, which learns of it at once; what is cut is not
// taken for the whole.
func TestEitherSideMayLeave(t *testing.T) {
	back := stage.StartBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/cut") {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "begin")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			<-r.Context().Done()
		}
	})
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	stage.PutRoute(t, node, "leave", stage.Route{"pattern": "/leave/{rest...}", "target": back.URL(), "auth": openToAll})
	for _, front := range []bool{false, true} {
		client := plainClient(t, front)
		back.Forget()
		ctx, leave := context.WithCancel(soon(t))
		failed := make(chan error, 1)
		go func() {
			r, _ := http.NewRequestWithContext(ctx, "GET", node.URL()+"/leave/wait", nil)
			_, err := client.Do(r)
			failed <- err
		}()
		seen := back.Await(1)
		leave()
		left, still := time.Now(), standstill.Begin(t)
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("the client has %v", err)
		}
		select {
		case <-seen.Gone:
		case <-time.After(20 * time.Second):
			t.Fatal("the back end still works")
		}
		if took := time.Since(left); took > time.Second+still.Lost() {
			t.Errorf("the back end learns of it after %v", took)
		}
		if res, err := client.Get(node.URL() + "/leave/cut"); err == nil {
			if text, err := io.ReadAll(res.Body); err == nil {
				t.Errorf("%q seems to be whole", text)
			}
			_ = res.Body.Close()
		}
	}
	for outcome, what := range map[string]string{"client_gone": "two clients are counted as gone", "aborted": "two answers are counted as aborted"} {
		eventually(t, 20*time.Second, what, func() bool {
			return metric(t, node, `weft_route_requests_total\{outcome="`+outcome+`",route="leave"\}`) == 2
		})
	}
	if n := metric(t, node, `weft_route_requests_total\{outcome="unavailable",route="leave"\}`); n != 0 {
		t.Errorf("%v are counted as failures of the back end", n)
	}
	raw, err := net.Dial("tcp", node.Address())
	if err != nil {
		t.Fatal(err)
	}
	back.Forget()
	_, _ = io.WriteString(raw, "POST /leave/wait HTTP/1.1\r\nHost: weft\r\nContent-Length: 100\r\n\r\nabc")
	seen := back.Await(1)
	_ = raw.Close()
	select {
	case <-seen.Gone:
	case <-time.After(20 * time.Second):
		t.Fatal("the back end still waits for the body")
	}
	eventually(t, 20*time.Second, "the third is, too", func() bool {
		return metric(t, node, `weft_route_requests_total\{outcome="client_gone",route="leave"\}`) == 3
	})
}
