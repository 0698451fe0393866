package httpd_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"weft/config/testkit/waitfor"
	"weft/edge/httpd"
	"weft/edge/netpoll"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A known guest may stay.
type known struct{}

func (known) Known() bool         { return true }
func (known) Left() time.Duration { return 0 }
func (known) Closed() func()      { return nil }

// serve serves h on a Listener, with a poller or without, and returns its address.
func serve(t *testing.T, polled bool, h http.HandlerFunc) string {
	t.Helper()
	return serveSurviving(t, polled, h, func(p any, stack []byte) { t.Errorf("panic: %v\n%s", p, stack) })
}

func serveSurviving(t *testing.T, polled bool, h http.HandlerFunc, panicked func(p any, stack []byte)) string {
	t.Helper()
	cfg := httpd.Config{
		Handler: h, Path: "/events", Workers: 4, Draining: func() bool { return false },
		Limits:   httpd.Limits{Silent: time.Second, Read: time.Second, Drain: time.Second},
		Arrive:   func(netip.Addr) (httpd.Guest, bool) { return known{}, true },
		Panicked: panicked,
	}
	running := make(chan error, 3)
	closing := []func() error{}
	if polled {
		poller := netpoll.New(netpoll.Config{Timeout: time.Second, Linger: time.Second})
		if err := poller.Open(); err != nil {
			t.Fatal(err)
		}
		cfg.Poller = poller
		go func() { running <- poller.Run() }()
		closing = append(closing, poller.Close)
	} else {
		running <- nil
	}
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := httpd.NewListener(socket.(*net.TCPListener), cfg)
	server := &http.Server{Handler: h}
	httpd.Observe(server)
	go func() { running <- l.Run() }()
	go func() {
		err := server.Serve(l)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		running <- err
	}()
	t.Cleanup(func() {
		errs := []error{server.Close()}
		for _, c := range closing {
			errs = append(errs, c())
		}
		for range cap(running) {
			errs = append(errs, <-running)
		}
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
	})
	return socket.Addr().String()
}

// An echo is a client of the poller that says what it is, and then what it hears.
type echo struct {
	conn   chan *netpoll.Conn
	say    [][]byte
	closed chan error
}

func newEcho() *echo {
	return &echo{conn: make(chan *netpoll.Conn, 1), say: [][]byte{[]byte("detached:")}, closed: make(chan error, 1)}
}

func (e *echo) Take() ([][]byte, bool) {
	say := e.say
	e.say = nil
	return say, bytes.HasSuffix(bytes.Join(say, nil), []byte("."))
}

func (e *echo) Receive(b []byte) netpoll.Action {
	e.say = append(e.say, bytes.Clone(b))
	c := <-e.conn
	e.conn <- c
	c.Wake(false)
	return netpoll.Go
}

func (e *echo) Wrote(int)        {}
func (e *echo) Closed(err error) { e.closed <- err }

// ask sends text and returns all that is answered until the connection ends.
func ask(t *testing.T, addr, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// Requests that are served here, and by net/http, at once and behind another request.
const (
	own    = "GET /events HTTP/1.1\r\nHost: a\r\n\r\n"
	others = "GET /others HTTP/1.1\r\nHost: a\r\n\r\n"
)

func TestAConnectionIsDetachedFromWhoeverServesIt(t *testing.T) {
	e := make(chan *echo, 8)
	addr := serve(t, true, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "" {
			_, _ = fmt.Fprintf(w, "own: %v", httpd.Of(w) != nil)
			return
		}
		if !httpd.Detachable(w, r) {
			t.Error("it is not detachable")
		}
		if httpd.GuestOf(w, r) != (known{}) {
			t.Errorf("its guest is %v", httpd.GuestOf(w, r))
		}
		client := newEcho()
		c, err := httpd.Detach(w, r, client)
		if err != nil {
			t.Errorf("detach %s: %v", r.URL, err)
			return
		}
		client.conn <- c
		c.Wake(false)
		if _, err := httpd.Detach(w, r, newEcho()); !errors.Is(err, httpd.ErrAttached) {
			t.Errorf("detached again: %v", err)
		}
		e <- client
	})
	first := func(request string) string { return strings.Replace(request, " HTTP", "?first HTTP", 1) }
	for _, c := range []struct{ sent, first string }{
		{own, ""},
		{others, ""},
		{first(own) + own, "own: true"},
		{first(others) + own, "own: false"},
		{first(own) + others, "own: true"},
	} {
		got := ask(t, addr, c.sent+"what came early.")
		at := strings.Index(got, "detached:")
		if at < 0 || got[at:] != "detached:what came early." || !strings.HasSuffix(got[:at], c.first) {
			t.Errorf("%q is answered %q", c.sent, got)
		}
		if err := <-(<-e).closed; err != netpoll.ErrDone {
			t.Errorf("the client is closed with %v", err)
		}
	}
}

func TestWhatCannotBeDetachedSaysSoAndIsAnswered(t *testing.T) {
	h := func(w http.ResponseWriter, r *http.Request) {
		if httpd.Detachable(w, r) {
			t.Error("it is detachable")
		}
		_, err := httpd.Detach(w, r, newEcho())
		w.Header().Set("Connection", "close")
		_, _ = fmt.Fprint(w, errors.Is(err, httpd.ErrAttached))
	}
	t.Run("without a poller", func(t *testing.T) {
		if got := ask(t, serve(t, false, h), own); !strings.HasSuffix(got, "\r\n\r\ntrue") {
			t.Errorf("answered %q", got)
		}
	})
	t.Run("not of a Listener", func(t *testing.T) {
		w := httptest.NewRecorder()
		h(w, httptest.NewRequestWithContext(context.Background(), "GET", "/events", nil))
		if got := w.Body.String(); got != "true" {
			t.Errorf("answered %q", got)
		}
	})
}

// An unwrapper is a writer that stands before another one, as a middleware's does.
type unwrapper struct{ http.ResponseWriter }

func (u unwrapper) Unwrap() http.ResponseWriter { return u.ResponseWriter }

func TestAResponseOfOursIsFoundBehindOthers(t *testing.T) {
	addr := serve(t, true, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		_, _ = fmt.Fprint(w, httpd.Of(unwrapper{unwrapper{w}}) == httpd.Of(w) && httpd.Detachable(unwrapper{w}, r))
	})
	for _, request := range []string{own, others} {
		if got := ask(t, addr, request); !strings.HasSuffix(got, "\r\n\r\ntrue") {
			t.Errorf("%q is answered %q", request, got)
		}
	}
}

// A waiter waits for the response to a deferred request.
type waiter struct {
	httpd.Waiting
	gone chan error
}

func (w *waiter) Closed(err error) { w.gone <- err }

func TestADeferredRequestIsAnsweredLaterAndTheNextAfterIt(t *testing.T) {
	later := make(chan *httpd.Response, 2)
	gone := make(chan error, 2)
	sent := make(chan bool, 2)
	addr := serve(t, true, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "" {
			w.Header().Set("Connection", "close")
			_, _ = io.WriteString(w, "at once")
			return
		}
		o := httpd.Of(w)
		o.OnSent(func() { sent <- true })
		o.Defer(&waiter{gone: gone})
		later <- o
	})
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(conn, strings.Replace(own, " HTTP", "?wait HTTP", 1)+own)
	o := <-later
	o.Finish(func() { o.WriteFrames([][]byte{[]byte("at "), []byte("last")}) })
	in := bufio.NewReader(conn)
	for _, want := range []string{"at last", "at once"} {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(resp.Body); err != nil || string(got) != want {
			t.Errorf("answered %q, %v; want %q", got, err, want)
		}
	}
	<-sent
	conn2, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn2.Close() }()
	_, _ = io.WriteString(conn2, strings.Replace(own, " HTTP", "?wait HTTP", 1))
	<-later
	_ = conn2.Close()
	if err := <-gone; !errors.Is(err, io.EOF) {
		t.Errorf("who left is told of as %v", err)
	}
}

// A panic costs its connection and nothing else, also that of a deferred request.
func TestAPanicCostsItsConnectionOnly(t *testing.T) {
	panics, sent := make(chan any, 2), make(chan bool, 1)
	addr := serveSurviving(t, true, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.RawQuery {
		case "now":
			panic("now")
		case "later":
			o := httpd.Of(w)
			o.OnSent(func() { sent <- true })
			o.Defer(&waiter{gone: make(chan error, 1)})
			o.Finish(func() { panic("later") })
		default:
			w.Header().Set("Connection", "close")
			_, _ = io.WriteString(w, "well")
		}
	}, func(p any, stack []byte) { panics <- p })
	for _, when := range []string{"now", "later"} {
		if got := ask(t, addr, strings.Replace(own, " HTTP", "?"+when+" HTTP", 1)); got != "" {
			t.Errorf("%s: answered %q", when, got)
		}
		if p := <-panics; p != when {
			t.Errorf("told of %v, want %s", p, when)
		}
	}
	<-sent
	if got := ask(t, addr, own); !strings.HasSuffix(got, "well") {
		t.Errorf("answered %q", got)
	}
}

func TestWhoLeavesIsGoneThoughItsBodyIsNotRead(t *testing.T) {
	for _, polled := range []bool{true, false} {
		for way, leave := range map[string]func(*net.TCPConn) error{
			"closes": (*net.TCPConn).Close, "closes its direction": (*net.TCPConn).CloseWrite,
			"resets": func(c *net.TCPConn) error { return errors.Join(c.SetLinger(0), c.Close()) },
		} {
			requests, over := make(chan *http.Request), make(chan bool)
			addr := serve(t, polled, func(_ http.ResponseWriter, r *http.Request) {
				requests <- r
				<-over
			})
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(conn, "POST /others HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\na part")
			r := <-requests
			if httpd.Gone(r) {
				t.Errorf("polled %v: who %s is gone before", polled, way)
			}
			if err := leave(conn.(*net.TCPConn)); err != nil {
				t.Error(err)
			}
			waitfor.True(t, func() bool { return httpd.Gone(r) })
			close(over)
			_ = conn.Close()
		}
	}
}
