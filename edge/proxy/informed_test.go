package proxy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"weft/config/testkit/waitfor"
)

// A client of HTTP/2 that leaves while it is told something meanwhile (103) takes nobody
// along: net/http still reads the headers that are cleared by then.
func TestAClientMayLeaveWhileItIsToldSomethingMeanwhile(t *testing.T) {
	hints := roundTripper(func(r *http.Request) (*http.Response, error) {
		for range 100 {
			h := textproto.MIMEHeader{"Link": {"</a.css>; rel=preload"}, "X-A": {"1"}, "X-B": {"2"}}
			if err := httptrace.ContextClientTrace(r.Context()).Got1xxResponse(http.StatusEarlyHints, h); err != nil {
				return nil, err
			}
		}
		return nil, errors.New("no answer")
	})
	s := newStandTo(t, false, hints, map[string]any{"open": open})
	server := httptest.NewUnstartedServer(s.Proxy)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	defer server.Close()
	transport := &http.Transport{Protocols: server.Config.Protocols}
	defer transport.CloseIdleConnections()
	told := 0
	for range 300 {
		ctx, leave := context.WithCancel(t.Context())
		trace := &httptrace.ClientTrace{Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
			if told++; h.Get("Link") == "" || h.Get("Content-Length") != "" {
				t.Errorf("told %v", h)
			}
			leave()
			return nil
		}}
		r, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), http.MethodGet, server.URL+"/open/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		if res, err := transport.RoundTrip(r); err == nil {
			_ = res.Body.Close()
		}
		leave()
	}
	if told < 300 {
		t.Errorf("told %d times", told)
	}
}

// Who takes nothing of what it is told meanwhile is let go.
func TestAClientThatTakesNoneOfWhatItIsToldIsLetGo(t *testing.T) {
	long := textproto.MIMEHeader{"X-Long": {strings.Repeat("x", 1<<20)}}
	hints := roundTripper(func(r *http.Request) (*http.Response, error) {
		for range 100 { // more than all buffers on the way
			if err := httptrace.ContextClientTrace(r.Context()).Got1xxResponse(http.StatusEarlyHints, long); err != nil {
				return nil, err
			}
		}
		return nil, errors.New("no answer")
	})
	s := newStandTo(t, false, hints, map[string]any{"open": open})
	conn, err := net.Dial("tcp", s.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET /open/x HTTP/1.1\r\nHost: weft\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	waitfor.True(t, func() bool { return s.Running() == 1 })
	waitfor.True(t, func() bool { return s.Running() == 0 })
}
