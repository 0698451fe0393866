package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// backEnds answer in all ways in which an answer can come.
var backEnds = map[string]http.HandlerFunc{
	"length": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") },
	"long":   func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 100_000)) },
	"chunks": func(w http.ResponseWriter, _ *http.Request) {
		for range 3 {
			_, _ = io.WriteString(w, "part")
			_ = http.NewResponseController(w).Flush()
		}
	},
	"nothing":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
	"not modified": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) },
	"error":        func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusTeapot) },
	"lines": func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Set-Cookie"] = []string{"a=1", "b=2"}
		w.Header().Set("Keep-Alive", "x")
		w.Header().Set("X-Own", "y")
	},
	"early hints": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("X-Late", "z")
		_, _ = io.WriteString(w, "hello")
	},
	"trailers": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum, X-More")
		_, _ = io.WriteString(w, "hello")
		w.Header().Set("X-Sum", "5")
		w.Header().Set("X-More", "6")
	},
	"trailers that nobody announced": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello")
		_ = http.NewResponseController(w).Flush()
		w.Header().Set(http.TrailerPrefix+"X-Sum", "5")
	},
	"echo": func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %d %v %q %q %v", r.Method, r.RequestURI, r.ContentLength, r.TransferEncoding, body, r.Header["User-Agent"], r.Trailer)
	},
	"cut": func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // what is not read takes the answer along when the connection is cut
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "hello")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	},
	"cut chunks": func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // what is not read takes the answer along when the connection is cut
		_, _ = io.WriteString(w, "hello")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	},
}

// conversation is what a client hears: all heads, the body, the trailers, and how it ended.
func conversation(t *testing.T, address, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	_, _ = io.WriteString(conn, request)
	method, _, _ := strings.Cut(request, " ")
	var heard strings.Builder
	for r := bufio.NewReader(conn); ; {
		res, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			return heard.String() + err.Error()
		}
		for _, ours := range []string{"Date", "X-Request-Id"} {
			res.Header.Del(ours)
		}
		fmt.Fprintf(&heard, "%s %d %v\n", res.Status, res.ContentLength, res.TransferEncoding)
		for _, name := range slices.Sorted(maps.Keys(res.Header)) {
			fmt.Fprintf(&heard, "%s: %q\n", name, res.Header[name])
		}
		if res.StatusCode < 200 {
			continue
		}
		body, err := io.ReadAll(res.Body)
		fmt.Fprintf(&heard, "%.40q of %d %v %v %v\n", body, len(body), err, res.Trailer, res.Close)
		return heard.String()
	}
}

func TestAnAnswerIsThatOfReverseProxy(t *testing.T) {
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		backEnds[strings.ReplaceAll(r.URL.Path[1:], "-", " ")](w, r)
	}))
	defer back.Close()
	target, _ := url.Parse(back.URL)
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		(&httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
			ErrorLog: log.New(io.Discard, "", 0)}).ServeHTTP(w, r)
	}))
	defer plain.Close()
	s := newStand(t, false, map[string]any{"all": map[string]any{"pattern": "/{rest...}", "target": back.URL, "auth": map[string]any{"mode": "none"}}})
	for name := range backEnds {
		path := "/" + strings.ReplaceAll(name, " ", "-")
		for _, request := range []string{
			"GET " + path + "?a=1&b=2 HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: te\r\n\r\n",
			"POST " + path + " HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
			// Last, since one that is cut has its answer and leaves a connection that is about to
			// close: a GET is sent again then, a POST cannot be.
			"HEAD " + path + " HTTP/1.1\r\nHost: a\r\nUser-Agent: test\r\n\r\n",
		} {
			want := conversation(t, plain.Listener.Addr().String(), request)
			if got := conversation(t, s.server.Listener.Addr().String(), request); got != want {
				t.Errorf("%q\nheard     %s\nwould be  %s", request, got, want)
			}
		}
	}
}
