package httpd

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"
)

func TestABodyThatNeverComesDoesNotHoldARefusal(t *testing.T) {
	server := httptest.NewServer(timed(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
	}), 50*time.Millisecond))
	defer server.Close()
	for _, length := range []string{"Content-Length: 10", "Transfer-Encoding: chunked"} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: weft\r\n%s\r\n\r\n", length); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", length, err)
		}
		if resp.StatusCode != http.StatusForbidden || !resp.Close {
			t.Errorf("%s: %s, connection closed: %v", length, resp.Status, resp.Close)
		}
	}
}

// stranger is whoever connects.
type stranger struct{}

func (stranger) Known() bool         { return false }
func (stranger) Left() time.Duration { return time.Second }
func (stranger) Closed() func()      { return nil }

func TestWhatCannotBeServedSaysSo(t *testing.T) {
	s, err := Listen(t.Context(), ServerConfig{
		Name: "public.listen", Addr: "127.0.0.1:0", Handler: http.NotFoundHandler(), TLS: &tls.Config{MinVersion: tls.VersionTLS12}, // and no certificate
		Guests: &Config{Workers: 1, Arrive: func(netip.Addr) (Guest, bool) { return stranger{}, true }},
	})
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve() }()
	select {
	case err := <-failed:
		if err == nil {
			t.Error("it is served without a certificate")
		}
	case <-time.After(20 * time.Second):
		_ = s.listener.Close()
		t.Errorf("it hangs, and then says %v", <-failed)
	}
	_ = s.Close(t.Context())
}

func TestOptionsOfTheWholeServerAreForTheHandler(t *testing.T) {
	s, err := Listen(t.Context(), ServerConfig{Name: "public.listen", Addr: "127.0.0.1:0", WriteTimeout: time.Minute, Handler: http.NotFoundHandler()})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve() }()
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprint(conn, "OPTIONS * HTTP/1.1\r\nHost: weft\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || answer.StatusCode != http.StatusNotFound {
		t.Errorf("OPTIONS * is answered %v, %v", answer, err)
	}
	if err := errors.Join(s.Close(t.Context()), <-done); err != nil {
		t.Error(err)
	}
}
