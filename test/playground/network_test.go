package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// upstream is a node that says hello, tells of upgrades, and keeps a stream open on /stream.
func upstream(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/stream":
			_, _ = io.WriteString(w, "first\n")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		case "/upgrade":
			_, _ = io.WriteString(w, "upgrade: "+r.Header.Get("Upgrade")+"\n")
		default:
			_, _ = io.WriteString(w, "hello\n")
		}
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func testNetwork(t *testing.T) *network {
	t.Helper()
	n, err := openNetwork(upstream(t), slog.New(slog.DiscardHandler), func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return n
}

// A line is what came of a request within a time.
func line(t *testing.T, n *network, path string, within time.Duration) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, n.origin()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if path == "/upgrade" {
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", "websocket")
	}
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	return bufio.NewReader(resp.Body).ReadString('\n')
}

func TestANetworkPassesOnWhatItIsSaidTo(t *testing.T) {
	t.Parallel()
	const soon, never = time.Minute, 300 * time.Millisecond
	for _, c := range []struct {
		mode, path, want string
		within           time.Duration // what fails is awaited for no longer
	}{
		{netWorks, "/", "hello\n", soon},
		{netWorks, "/stream", "first\n", soon},
		{netWorks, "/upgrade", "upgrade: websocket\n", soon},
		{netNoUpgrade, "/stream", "first\n", soon},
		{netNoUpgrade, "/upgrade", "upgrade: \n", soon},
		{netBuffers, "/", "hello\n", soon},
		{netBuffers, "/stream", "", never},
		{netBuffers, "/upgrade", "upgrade: \n", soon},
		{netStalls, "/", "", never},
		{netGone, "/", "", soon},
	} {
		t.Run(c.mode+c.path, func(t *testing.T) {
			t.Parallel()
			n := testNetwork(t)
			if err := n.become(c.mode); err != nil {
				t.Fatal(err)
			}
			if got, err := line(t, n, c.path, c.within); got != c.want {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestWhatANetworkHeldUpArrivesWhenItWorksAgain(t *testing.T) {
	t.Parallel()
	n := testNetwork(t)
	if err := n.become(netStalls); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", strings.TrimPrefix(n.origin(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: node\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if got, _ := c.Read(make([]byte, 1)); got != 0 {
		t.Fatal("something came through a network that stalls")
	}
	if err := n.become(netWorks); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if status, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(status, "200") {
		t.Errorf("answer %q, %v", status, err)
	}
}

func TestANetworkThatIsGoneCutsWhatIsOpen(t *testing.T) {
	t.Parallel()
	n := testNetwork(t)
	c, err := net.Dial("tcp", strings.TrimPrefix(n.origin(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	if _, err := io.WriteString(c, "GET /stream HTTP/1.1\r\nHost: node\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := n.become(netGone); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Error("the connection is open still")
	}
	if err := n.become("good"); err == nil {
		t.Error("a network becomes what nobody knows")
	}
}
