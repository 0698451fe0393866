package upstream_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"weft/edge/problem"
)

func TestARequestInWhichNothingMovesIsEnded(t *testing.T) {
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/events" {
			w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		}
		_, _ = io.WriteString(w, "begin")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(endless.Close)
	document := map[string]any{"pattern": "/{rest...}", "target": endless.URL, "idle_timeout": "1s", "timeout": "10s", "auth": map[string]any{"mode": "none"}}
	t.Run("an answer", func(t *testing.T) {
		t.Parallel()
		g := open(t, document)
		_, _, err := g.talk(t, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if err == nil {
			t.Error("the body ended as if it were whole")
		}
		if told, ok := errors.AsType[*problem.Problem](<-g.ended); !ok || told.Code != problem.UpstreamTimeout {
			t.Errorf("it ended with %v", told)
		}
	})
	t.Run("an event stream with the field", func(t *testing.T) {
		t.Parallel()
		g := open(t, document)
		if _, _, err := g.talk(t, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n"); err == nil {
			t.Error("the body ended as if it were whole")
		}
	})
	t.Run("a client that sends no more", func(t *testing.T) {
		t.Parallel()
		server := serveRaw(t, func(conn net.Conn, _ int64) { _, _ = io.Copy(io.Discard, conn) })
		g := open(t, map[string]any{"pattern": "/{rest...}", "target": server.target(), "idle_timeout": "1s"})
		res, _, err := g.talk(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusRequestTimeout {
			t.Errorf("status %d", res.StatusCode)
		}
	})
	t.Run("a server that takes no more", func(t *testing.T) {
		t.Parallel()
		server := serveRaw(t, func(conn net.Conn, _ int64) { <-t.Context().Done() })
		g := open(t, map[string]any{"pattern": "/{rest...}", "target": server.target(), "idle_timeout": "1s"})
		conn := g.dial(t)
		go func() {
			_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
			for block := make([]byte, 1<<20); ; {
				if _, err := conn.Write(block); err != nil {
					return
				}
			}
		}()
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusGatewayTimeout {
			t.Errorf("status %d", res.StatusCode)
		}
	})
}

func TestAHeadMayTakeLongerThanNothingMayMove(t *testing.T) {
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-time.After(1500 * time.Millisecond)
		_, _ = io.WriteString(w, "late")
	}))
	defer back.Close()
	g := open(t, map[string]any{"pattern": "/{rest...}", "target": back.URL})
	short := *g.route.Load()
	short.IdleTimeout, short.IdleStreams = 500*time.Millisecond, true
	g.route.Store(&short)
	if status, body := g.do(t, http.MethodPost, "/", strings.NewReader("x")); status != http.StatusOK || body != "late" {
		t.Errorf("%d %q", status, body)
	}
}

func TestAnEventStreamMayBeSilent(t *testing.T) {
	more := make(chan bool)
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: 1\n\n")
		_ = http.NewResponseController(w).Flush()
		<-more
		_, _ = io.WriteString(w, "data: 2\n\n")
	}))
	defer back.Close()
	g := open(t, map[string]any{"pattern": "/{rest...}", "target": back.URL})
	short := *g.route.Load()
	short.IdleTimeout = 100 * time.Millisecond // without the field
	g.route.Store(&short)
	go func() {
		<-time.After(10 * short.IdleTimeout)
		close(more)
	}()
	if _, body, err := g.talk(t, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil || body != "data: 1\n\ndata: 2\n\n" {
		t.Errorf("%q %v", body, err)
	}
}
