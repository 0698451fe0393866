package upstream_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"weft/edge/problem"
)

func TestWithoutAConnectionTheNextTargetIsTriedWithTheWholeBody(t *testing.T) {
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	defer back.Close()
	g := open(t, map[string]any{"pattern": "/{rest...}", "targets": []string{"http://" + refusing(t), back.URL, "http://" + refusing(t)}})
	for range 6 {
		if status, body := g.do(t, http.MethodPost, "/", strings.NewReader("whole")); status != http.StatusOK || body != "whole" {
			t.Errorf("%d %q", status, body)
		}
	}
}

func TestWithoutAnyConnectionItIsAProblem(t *testing.T) {
	g := open(t, map[string]any{"pattern": "/{rest...}", "targets": []string{"http://" + refusing(t), "http://" + refusing(t)}})
	status, body := g.do(t, http.MethodPost, "/", strings.NewReader("whole"))
	if code := codeOf(t, body); status != http.StatusBadGateway || code != "upstream_unavailable" {
		t.Errorf("%d %s", status, code)
	}
	if strings.Contains(body, "127.0.0.1") || strings.Contains(body, "refused") {
		t.Errorf("%s tells inner things", body)
	}
}

func TestWhatWasSentIsRepeatedOnlyWhereItChangesNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		method, body string
		header       http.Header
		answer       string // of the first server, which then ends the connection
		asked        int64  // both servers
	}{
		"GET":                          {method: "GET", asked: 2},
		"HEAD":                         {method: "HEAD", asked: 2},
		"OPTIONS":                      {method: "OPTIONS", asked: 2},
		"half a head":                  {method: "GET", answer: "HTTP/1.1 200 OK\r\nX: y", asked: 2},
		"GET with a body":              {method: "GET", body: "x", asked: 1},
		"POST":                         {method: "POST", body: "x", asked: 1},
		"POST without a body":          {method: "POST", asked: 1},
		"DELETE":                       {method: "DELETE", asked: 1},
		"PUT with a key":               {method: "PUT", header: http.Header{"Idempotency-Key": {"1"}}, asked: 1},
		"when the client has seen 1xx": {method: "GET", answer: "HTTP/1.1 103 Early Hints\r\n\r\n", asked: 1},
		"a broken head":                {method: "GET", answer: "nonsense\r\n\r\n", asked: 1},
		"a status":                     {method: "GET", answer: "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", asked: 1},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int64
			answer := func(conn net.Conn, _ int64) {
				asked.Add(1)
				_, _ = io.WriteString(conn, tc.answer)
			}
			a, b := serveRaw(t, answer), serveRaw(t, answer)
			g := open(t, map[string]any{"pattern": "/{rest...}", "targets": []string{a.target(), b.target()}})
			r, _ := http.NewRequestWithContext(t.Context(), tc.method, g.URL, strings.NewReader(tc.body))
			r.Header = tc.header
			res, err := g.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusBadGateway && name != "a status" {
				t.Errorf("status %d", res.StatusCode)
			}
			if n := asked.Load(); n != tc.asked {
				t.Errorf("servers were asked %d times, not %d", n, tc.asked)
			}
		})
	}
}

func TestAKeptConnectionThatEndsDoesNotRepeatWhatChangesSomething(t *testing.T) {
	// The first request of a connection is answered, the second one ends it.
	var asked atomic.Int64
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				reader := bufio.NewReader(conn)
				if _, err := http.ReadRequest(reader); err != nil {
					return
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				if _, err := http.ReadRequest(reader); err == nil {
					asked.Add(1)
				}
			}()
		}
	}()
	g := open(t, map[string]any{"pattern": "/{rest...}", "target": "http://" + l.Addr().String()})
	if status, _ := g.get(t, "/"); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL, nil)
	r.Header.Set("Idempotency-Key", "1")
	res, err := g.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if n := asked.Load(); n != 1 || res.StatusCode != http.StatusBadGateway {
		t.Errorf("asked %d times, status %d", n, res.StatusCode)
	}
	if status, _ := g.get(t, "/"); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
}

func TestTargetsTakeTurns(t *testing.T) {
	var asked [3]atomic.Int64
	var targets []string
	for i := range asked {
		targets = append(targets, serveRaw(t, func(conn net.Conn, _ int64) {
			asked[i].Add(1)
			_, _ = io.WriteString(conn, okAnswer)
		}).target())
	}
	g := open(t, map[string]any{"pattern": "/{rest...}", "targets": targets})
	for range 30 {
		g.get(t, "/")
	}
	for i := range asked {
		if n := asked[i].Load(); n != 10 {
			t.Errorf("target %d had %d of 30", i, n)
		}
	}
}

func TestALateHeadIsATimeout(t *testing.T) {
	server := serveRaw(t, func(conn net.Conn, _ int64) { _, _ = io.Copy(io.Discard, conn) })
	g := open(t, map[string]any{"pattern": "/{rest...}", "target": server.target(), "timeout": "100ms"})
	for _, body := range []io.Reader{nil, strings.NewReader("x")} {
		status, text := g.do(t, http.MethodPost, "/", body)
		if code := codeOf(t, text); status != http.StatusGatewayTimeout || code != "upstream_timeout" {
			t.Errorf("%d %s", status, code)
		}
	}
}

func TestTheHeadIsNotLateWhileTheRequestIsBeingWritten(t *testing.T) {
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	defer back.Close()
	g := open(t, map[string]any{"pattern": "/{rest...}", "target": back.URL, "timeout": "1s"})
	in, out := io.Pipe()
	go func() {
		for range 6 {
			_, _ = io.WriteString(out, "x")
			<-time.After(250 * time.Millisecond)
		}
		_ = out.Close()
	}()
	if status, body := g.do(t, http.MethodPost, "/", in); status != http.StatusOK || body != "xxxxxx" {
		t.Errorf("%d %q", status, body)
	}
}

func TestConnectingMayTakeAsLongAsTheRouteSays(t *testing.T) {
	// It accepts, and says nothing in TLS.
	server := serveRaw(t, say(""))
	g := open(t, map[string]any{"pattern": "/{rest...}", "target": "https://" + server.Addr().String(), "connect_timeout": "50ms"})
	short := *g.route.Load()
	short.IdleTimeout = 10 * time.Millisecond // nothing can move yet
	g.route.Store(&short)
	begin := time.Now()
	status, body := g.do(t, http.MethodPost, "/", strings.NewReader("x"))
	if code := codeOf(t, body); status != http.StatusBadGateway || code != "upstream_unavailable" {
		t.Errorf("%d %s", status, code)
	}
	if took := time.Since(begin); took > 5*time.Second { // half of what there is without the field
		t.Errorf("it took %v", took)
	}
}

func TestWhenTheClientIsGoneTheServerIsNotAskedAnyMore(t *testing.T) {
	gone := make(chan bool)
	asked := make(chan bool)
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
		close(gone)
	}))
	defer back.Close()
	g := open(t, map[string]any{"pattern": "/{rest...}", "target": back.URL})
	conn := g.dial(t)
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-asked
	_ = conn.Close()
	select {
	case <-gone:
	case <-time.After(30 * time.Second):
		t.Fatal("the server still works")
	}
	if err := <-g.failed; !errors.Is(err, context.Canceled) {
		t.Errorf("it failed with %v", err)
	}
}

func TestAClientThatLeavesWithinItsBodyIsNoFailureOfTheServer(t *testing.T) {
	server := serveRaw(t, func(conn net.Conn, _ int64) { _, _ = io.Copy(io.Discard, conn) })
	g := open(t, map[string]any{"pattern": "/{rest...}", "target": server.target()})
	for body, want := range map[string]error{"Content-Length: 100\r\n\r\nabc": context.Canceled, "Transfer-Encoding: chunked\r\n\r\nzz\r\n": problem.New(problem.BadRequest, "")} {
		conn := g.dial(t)
		_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\n"+body)
		<-server.heads
		_ = conn.Close()
		err := <-g.failed
		if told, ok := errors.AsType[*problem.Problem](err); !errors.Is(err, want) && (!ok || told.Code != problem.BadRequest || want == context.Canceled) {
			t.Errorf("%q: it failed with %v", body, err)
		}
	}
}

func TestBothDirectionsStreamAtOnce(t *testing.T) {
	back := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		_ = c.EnableFullDuplex()
		_ = c.Flush()
		for reader := bufio.NewReader(r.Body); ; {
			line, err := reader.ReadString('\n')
			if err != nil {
				return
			}
			_, _ = io.WriteString(w, strings.ToUpper(line))
			_ = c.Flush()
		}
	}))
	back.Config.Protocols = &http.Protocols{}
	back.Config.Protocols.SetHTTP1(true)
	back.Config.Protocols.SetUnencryptedHTTP2(true)
	back.Start()
	defer back.Close()
	for _, scheme := range []string{"http", "h2c"} {
		t.Run(scheme, func(t *testing.T) {
			g := open(t, map[string]any{"pattern": "/{rest...}", "target": scheme + "://" + back.Listener.Addr().String()})
			in, out := io.Pipe()
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, g.URL, in)
			res, err := g.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			reader := bufio.NewReader(res.Body)
			for i := range 5 {
				_, _ = fmt.Fprintf(out, "line %d\n", i)
				if line, err := reader.ReadString('\n'); err != nil || line != fmt.Sprintf("LINE %d\n", i) {
					t.Fatalf("%q %v", line, err)
				}
			}
			_ = out.Close()
			if rest, err := io.ReadAll(reader); err != nil || len(rest) > 0 {
				t.Errorf("%q %v", rest, err)
			}
		})
	}
}

func TestATargetsConnectionsAreKeptOverChanges(t *testing.T) {
	var connections atomic.Int64
	back := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	back.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	back.Start()
	defer back.Close()
	g := open(t, map[string]any{"pattern": "/{rest...}", "target": back.URL})
	for i := range 5 {
		g.put(t, map[string]any{"pattern": "/{rest...}", "target": back.URL, "timeout": fmt.Sprintf("%ds", i+1)})
		if status, _ := g.get(t, "/"); status != http.StatusOK {
			t.Errorf("status %d", status)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections were made", n)
	}
}

func TestATargetThatIsBackIsUsedAgain(t *testing.T) {
	address := refusing(t)
	back := serveRaw(t, say(okAnswer))
	g := open(t, map[string]any{"pattern": "/{rest...}", "targets": []string{"http://" + address, back.target()}})
	for range 6 {
		g.get(t, "/")
	}
	if n := aside(g); n != 1 {
		t.Fatalf("%v targets are set aside", n)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	_ = server.Listener.Close()
	var err error
	if server.Listener, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	server.Start()
	defer server.Close()
	if status, _ := g.get(t, "/"); status != http.StatusOK || aside(g) != 1 {
		t.Errorf("status %d, %v set aside", status, aside(g))
	}
	g.upstreams.PassAsideTime()
	if status, _ := g.get(t, "/"); status != http.StatusTeapot || aside(g) != 0 {
		t.Errorf("status %d, %v set aside", status, aside(g))
	}
}

func aside(g *gateway) float64 {
	families, _ := g.registry.Gather()
	return families[0].GetMetric()[0].GetGauge().GetValue()
}
