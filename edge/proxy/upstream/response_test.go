package upstream_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"
)

func TestWhatAClientIsTold(t *testing.T) {
	server := serveRaw(t, say("HTTP/1.1 207 Multi\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 2\r\nProxy-Authenticate: 3\r\nWeft-User: eve\r\nweft_user: eve\r\n"+
		"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Secret: 4\r\nX-Request-Id: eve\r\nServer: back\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x00"))
	g := open(t, map[string]any{"pattern": "/{rest...}", "target": server.target(), "response_headers": map[string]any{
		"remove": []string{"X-Secret"}, "set": map[string]any{"Server": "front", "X-New": "5"}}})
	res, body, err := g.talk(t, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusMultiStatus || body != "\x1f\x8b\x00" {
		t.Errorf("status %d, body %q", res.StatusCode, body)
	}
	h := res.Header
	for name, want := range map[string][]string{"Set-Cookie": {"a=1", "b=2"}, "Server": {"front"}, "X-New": {"5"}, "X-Request-Id": {"id-1"}, "Content-Encoding": {"gzip"}} {
		if got := h[name]; !slices.Equal(got, want) {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"X-Hop", "Keep-Alive", "Proxy-Authenticate", "Weft-User", "Weft_user", "X-Secret", "Connection"} {
		if h[name] != nil {
			t.Errorf("%s: %q passed", name, h[name])
		}
	}
}

func TestEarlyHintsAndTrailersPassWithoutWhatIsOurs(t *testing.T) {
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Link", "</a.css>; rel=preload")
		h.Set("Weft-User", "eve")
		h.Set("X-Secret", "1")
		w.WriteHeader(http.StatusEarlyHints)
		clear(h)
		h.Set("Trailer", "X-Sum, Weft-Sum, X-Secret")
		_, _ = io.WriteString(w, "body")
		h.Set("X-Sum", "4")
		h.Set("Weft-Sum", "eve")
		h.Set("X-Secret", "1")
		h.Set(http.TrailerPrefix+"X-Late", "5")
		h.Set(http.TrailerPrefix+"Weft_late", "eve")
	}))
	defer back.Close()
	g := open(t, map[string]any{"pattern": "/{rest...}", "target": back.URL, "response_headers": map[string]any{"remove": []string{"X-Secret"}}})
	var hints http.Header
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		if code == http.StatusEarlyHints {
			hints = http.Header(h)
		}
		return nil
	}})
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, g.URL, nil)
	res, err := g.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.ReadAll(res.Body); err != nil {
		t.Fatal(err)
	}
	if hints.Get("Link") == "" || hints.Get("Weft-User") != "" || hints.Get("X-Secret") != "" {
		t.Errorf("the hints are %v", hints)
	}
	if got := res.Trailer; got.Get("X-Sum") != "4" || got.Get("X-Late") != "5" || len(got) != 2 {
		t.Errorf("the trailers are %v", got)
	}
	if h := res.Header; h.Get("Link") != "" || h.Get("Weft-User") != "" {
		t.Errorf("the headers are %v", h)
	}
}

func TestTrailersOfARequestPassWithoutWhatIsOurs(t *testing.T) {
	got := make(chan http.Header, 1)
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		got <- r.Trailer
	}))
	defer back.Close()
	g := open(t, map[string]any{"pattern": "/{rest...}", "target": back.URL})
	_, _, err := g.talk(t, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Weft-User, weft_user\r\n\r\n"+
		"4\r\nbody\r\n0\r\nX-Sum: 4\r\nWeft-User: eve\r\nweft_user: eve\r\nX-Unsaid: 1\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if h := <-got; h.Get("X-Sum") != "4" || len(h) != 1 {
		t.Errorf("the trailers are %v", h)
	}
}

func TestAClientOfHTTP10IsToldNo1xx(t *testing.T) {
	server := serveRaw(t, say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"+okAnswer))
	g := open(t, map[string]any{"pattern": "/{rest...}", "target": server.target()})
	res, body, err := g.talk(t, "GET / HTTP/1.0\r\nHost: a\r\n\r\n")
	if err != nil || res.StatusCode != http.StatusOK || body != "ok" {
		t.Errorf("%v %q %v", res, body, err)
	}
}

func TestABrokenAnswerIsAProblem(t *testing.T) {
	for name, answer := range map[string]string{
		"no HTTP":                  "SSH-2.0-OpenSSH\r\n\r\n",
		"a status below 100":       "HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n",
		"no status":                "HTTP/1.1 abc\r\n\r\n",
		"a header without a colon": "HTTP/1.1 200 OK\r\nnothing\r\n\r\n",
		"two lengths":              "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
		"no length":                "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc",
		"a head without end":       "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20),
		"an upgrade unasked for":   "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"a bare upgrade":           "HTTP/1.1 101 Switching Protocols\r\n\r\n",
		"an end before the head":   "HTTP/1.1 200 OK\r\nContent-",
		"an end at once":           "",
	} {
		t.Run(name, func(t *testing.T) {
			server := serveRaw(t, say(answer))
			g := open(t, map[string]any{"pattern": "/{rest...}", "target": server.target()})
			conn := g.dial(t)
			_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
			reader := bufio.NewReader(conn)
			res, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			if code := codeOf(t, string(body)); res.StatusCode != http.StatusBadGateway || code != "upstream_unavailable" {
				t.Errorf("status %d, code %s", res.StatusCode, code)
			}
		})
	}
}

func TestAnEndlessSequenceOf1xxIsABrokenAnswer(t *testing.T) {
	server := serveRaw(t, func(conn net.Conn, _ int64) {
		for {
			if _, err := io.WriteString(conn, "HTTP/1.1 102 Processing\r\n\r\n"); err != nil {
				return
			}
		}
	})
	g := open(t, map[string]any{"pattern": "/{rest...}", "target": server.target(), "timeout": "10m"})
	conn := g.dial(t)
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	for reader, n := bufio.NewReader(conn), 0; ; n++ {
		res, err := http.ReadResponse(reader, nil)
		if err != nil || n > 1000 {
			t.Fatalf("after %d: %v", n, err)
		}
		if res.StatusCode != http.StatusProcessing {
			if res.StatusCode != http.StatusBadGateway {
				t.Errorf("status %d", res.StatusCode)
			}
			return
		}
	}
}

func TestABodyThatIsCutCannotBeTakenForTheWhole(t *testing.T) {
	for name, answer := range map[string]string{
		"shorter than declared": "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
		"a chunk is missing":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"a chunk is broken":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcde\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			server := serveRaw(t, say(answer))
			g := open(t, map[string]any{"pattern": "/{rest...}", "target": server.target()})
			if res, body, err := g.talk(t, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err == nil {
				t.Errorf("status %d, body %q, no error", res.StatusCode, body)
			}
		})
	}
}

func TestWhatFollowsADeclaredBodyIsNobodys(t *testing.T) {
	server := serveRaw(t, func(conn net.Conn, n int64) {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
	})
	g := open(t, map[string]any{"pattern": "/{rest...}", "target": server.target()})
	for range 5 {
		if status, body := g.get(t, "/"); status != http.StatusOK || body != "ok" {
			t.Errorf("%d %q", status, body)
		}
	}
}
