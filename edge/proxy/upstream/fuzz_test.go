package upstream_test

import (
	"bufio"
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"weft/edge/proxy/upstream"
	"weft/edge/route"
)

// forged reports whether a header claims to be one that only Weft sets.
func forged(name string) bool {
	return strings.HasPrefix(strings.ReplaceAll(strings.ToLower(name), "_", "-"), "weft-")
}

// FuzzRewrite sends requests of any bytes on, as they would be written to a server.
func FuzzRewrite(f *testing.F) {
	for _, seed := range []string{
		"GET /a%2Fb//c;d?x=%zz&access_token=t HTTP/1.1\r\nHost: a\r\nweft_user: eve\r\nCookie: weft_token=t; a=b\r\n\r\n",
		"GET http://b/%2e HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nForwarded: for=x\r\n\r\n",
		"POST /\xff HTTP/1.1\r\nHost: a\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\ntracestate: a=b,=\r\nContent-Length: 0\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: \"a,b\r\n\r\n",
	} {
		f.Add([]byte(seed), true)
	}
	u, err := upstream.New(nil, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		f.Fatal(err)
	}
	r, bad := route.Parse("orders", []byte(`{"pattern":"/{rest...}","target":"http://back:8080","auth":{"mode":"optional","pass_token":false}}`))
	if bad != nil {
		f.Fatal(bad)
	}
	f.Fuzz(func(t *testing.T, request []byte, trusted bool) {
		in, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(request)))
		if err != nil || !strings.HasPrefix(route.SentPath(in), "/") || strings.HasPrefix(route.SentPath(in), "//") {
			return // neither is matched
		}
		in.RemoteAddr = "[2001:db8::1]:5"
		out := in.Clone(t.Context())
		call := &route.Call{Route: r, Request: in, Trusted: trusted, User: "ann", RequestID: "id-1", Upgrade: true}
		u.Rewrite(out, call)
		for name := range out.Header {
			if forged(name) && name != "Weft-User" && name != "Weft-Route" {
				t.Errorf("%s passed", name)
			}
		}
		if got := out.Header["Weft-User"]; len(got) != 1 || got[0] != "ann" {
			t.Errorf("the user is %q", got)
		}
		if out.Header["Authorization"] != nil {
			t.Error("the token passed")
		}
		var b bytes.Buffer
		out.Body, out.ContentLength, out.TransferEncoding = nil, 0, nil
		if err := out.Write(&b); err != nil {
			return
		}
		line, _, _ := strings.Cut(b.String(), "\r\n")
		_, sent, _ := strings.Cut(line, " ")
		sent = sent[:strings.LastIndex(sent, " ")]
		path, _, _ := strings.Cut(sent, "?")
		if want := route.SentPath(in); path != want {
			t.Errorf("the path is %q, not %q", path, want)
		}
		if again, err := http.ReadRequest(bufio.NewReader(&b)); err != nil {
			t.Errorf("%q cannot be read: %v", line, err)
		} else if again.Host != "back:8080" {
			t.Errorf("the host is %q", again.Host)
		}
	})
}

// FuzzResponse hands answers of any bytes to a client.
func FuzzResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nweft_user: eve\r\nTrailer: Weft-Sum\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nWeft-Sum: 1\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade, Weft-X\r\nUpgrade: h2c\r\n\r\n"))
	u, err := upstream.New(nil, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		f.Fatal(err)
	}
	r, bad := route.Parse("orders", []byte(`{"pattern":"/{rest...}","target":"http://back:8080"}`))
	if bad != nil {
		f.Fatal(bad)
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
		if err != nil {
			return
		}
		u.Response(res, &route.Call{Route: r, RequestID: "id-1"})
		for _, h := range []http.Header{res.Header, res.Trailer} {
			for name := range h {
				if forged(name) {
					t.Errorf("%s passed", name)
				}
			}
		}
		if got := res.Header["X-Request-Id"]; len(got) != 1 || got[0] != "id-1" {
			t.Errorf("the id is %q", got)
		}
	})
}
