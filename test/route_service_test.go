package test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"weft/test/client"
	"weft/test/natsclients"
	"weft/test/stage"
)

// ask sends a request to a node; headers are names and values.
func ask(t testing.TB, n *stage.Node, method, path string, body io.Reader, headers ...string) (status int, text string, header http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(within(t, 40*time.Second), method, n.URL()+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(data), res.Header
}

// askLater is for goroutines beside that of a test: it returns status and text, or what is
// wrong.
func askLater(ctx context.Context, method, url string) string {
	got, err := tryRoute(ctx, method, url, "x")
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(got.Status, " ", got.Body)
}

// serveNATS answers what comes on a subject.
func serveNATS(t testing.TB, nc *nats.Conn, subject string, answer func(*nats.Msg)) {
	t.Helper()
	_, err := nc.QueueSubscribe(subject, "services", answer)
	if err = errors.Join(err, nc.Flush()); err != nil {
		t.Fatal(err)
	}
}

// anyone is a route that looks at no token.
func anyone(pattern, target string, more ...any) stage.Route {
	r := stage.Route{"pattern": pattern, "target": target, "auth": stage.Route{"mode": "none"}}
	for i := 0; i < len(more); i += 2 {
		r[more[i].(string)] = more[i+1]
	}
	return r
}

// A node with nothing but defaults: whoever is on loopback can be a service.
func TestARequestReachesANATSService(t *testing.T) {
	n := stage.StartNode(t, stage.Settings(t.TempDir()))
	nc := n.NATS()
	t.Run("what it gets and what it says", func(t *testing.T) { askedAndAnswered(t, n, nc) })
	t.Run("one made with micro", func(t *testing.T) { askedMicro(t, n, nc) })
	t.Run("one made with nats reply", func(t *testing.T) { askedReply(t, n) })
	t.Run("one that is not there, and one that is late", func(t *testing.T) { askedInVain(t, n, nc) })
	t.Run("bounds", func(t *testing.T) { askedTooMuch(t, n, nc) })
	t.Run("hostile values", func(t *testing.T) { askedHostile(t, n, nc) })
	t.Run("answers that come later", func(t *testing.T) { answeredLater(t, n, nc) })
	t.Run("it publishes events", func(t *testing.T) { publishedByAService(t, n, nc) })
}

func askedAndAnswered(t *testing.T, n *stage.Node, nc *nats.Conn) {
	heard := make(chan *nats.Msg, 10)
	serveNATS(t, nc, "svc.orders.*", func(m *nats.Msg) {
		heard <- m
		_ = m.RespondMsg(&nats.Msg{Header: nats.Header{"Weft-Status": {"201"}, "content-type": {"text/plain"},
			"weft-header-location": {"/orders/7"}, "weft-header-Connection": {"close"}, "Weft-Secret": {"x"}}, Data: []byte("made")})
	})
	stage.PutRoute(t, n, "orders", stage.Route{"pattern": "POST /orders/{id}", "target": "nats://svc.orders.{id}",
		"request_headers":  stage.Route{"pass": []string{"X-Passed"}, "set": stage.Route{"X-Set": "for {user}"}},
		"response_headers": stage.Route{"set": stage.Route{"X-Route": "orders"}}})
	token := stage.Token(t, "ann@x.org", nil)
	status, text, header := ask(t, n, "POST", "/orders/a%20b?x=1;2&access_token=secret", strings.NewReader("an order"), "Authorization", "Bearer "+token,
		"Content-Type", "application/json", "Cookie", "a=b", "X-Passed", "p", "X-Other", "o", "Weft-User", "eve", "Weft_User", "eve", "Traceparent", "00-x")
	if status != 201 || text != "made" || header.Get("Content-Type") != "text/plain" || header.Get("Location") != "/orders/7" || header.Get("X-Route") != "orders" ||
		header.Get("X-Request-Id") == "" || header.Get("Weft-Secret") != "" {
		t.Fatalf("%d %s %v", status, text, header)
	}
	m := <-heard
	if m.Subject != "svc.orders.a=20b" || string(m.Data) != "an order" {
		t.Errorf("the service has heard %s %s", m.Subject, m.Data)
	}
	for name, want := range map[string]string{"Weft-Method": "POST", "Weft-Path": "/orders/a%20b", "Weft-Query": "x=1;2", "Weft-Route": "orders", "Weft-User": "ann@x.org",
		"Weft-Address": "127.0.0.1", "Content-Type": "application/json", "X-Passed": "p", "X-Set": "for ann@x.org", "X-Request-Id": header.Get("X-Request-Id"),
		"Authorization": "", "Cookie": "", "X-Other": "", "Weft_User": "", "traceparent": "", "User-Agent": ""} {
		if got := strings.Join(m.Header[name], "|"); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if status, _, _ := ask(t, n, "POST", "/orders/1", nil); status != 401 || len(heard) > 0 {
		t.Errorf("without a token: %d", status)
	}
}

func askedMicro(t *testing.T, n *stage.Node, nc *nats.Conn) {
	s, err := micro.AddService(nc, micro.Config{Name: "stock", Version: "1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	err = s.AddEndpoint("get", micro.HandlerFunc(func(r micro.Request) {
		switch {
		case strings.HasSuffix(r.Subject(), ".none"):
			_ = r.Error("404", "there is no such thing", nil)
		case strings.HasSuffix(r.Subject(), ".odd"):
			_ = r.Error("7", "odd", []byte("mine"))
		default:
			_ = r.Respond(append([]byte("stock "), r.Data()...))
		}
	}), micro.WithEndpointSubject("svc.stock.*"))
	if err = errors.Join(err, nc.Flush()); err != nil {
		t.Fatal(err)
	}
	stage.PutRoute(t, n, "stock", anyone("/stock/{id}", "nats://svc.stock.{id}"))
	if status, text, _ := ask(t, n, "PUT", "/stock/7", strings.NewReader("of 7")); status != 200 || text != "stock of 7" {
		t.Errorf("%d %s", status, text)
	}
	if status, text, h := ask(t, n, "GET", "/stock/none", nil); status != 404 || !strings.Contains(text, "there is no such thing") || h.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %s", status, text)
	}
	if status, text, _ := ask(t, n, "GET", "/stock/odd", nil); status != 500 || text != "mine" {
		t.Errorf("%d %s", status, text)
	}
	if status, text, _ := ask(t, n, "HEAD", "/stock/7", nil); status != 200 || text != "" {
		t.Errorf("HEAD: %d %s", status, text)
	}
}

func askedReply(t *testing.T, n *stage.Node) {
	tools, err := natsclients.Installed()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(tools, "bin", "nats"), "reply", "svc.hello", "hello from the terminal", "--server", "nats://"+n.NATSAddress())
	cmd.Env = append(stage.Environment(), "HOME="+t.TempDir())
	p, err := stage.StartProcess("nats reply", cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	stage.PutRoute(t, n, "hello", anyone("/hello", "nats://svc.hello"))
	eventually(t, 20*time.Second, "nats reply answers", func() bool {
		status, text, _ := ask(t, n, "GET", "/hello", nil)
		return status == 200 && text == "hello from the terminal"
	})
}

func askedInVain(t *testing.T, n *stage.Node, nc *nats.Conn) {
	stage.PutRoute(t, n, "nobody", anyone("/nobody", "nats://svc.nobody"))
	began := time.Now()
	status, text, h := ask(t, n, "GET", "/nobody", nil)
	if status != 503 || !strings.Contains(text, "upstream_unavailable") || h.Get("Retry-After") != "1" || time.Since(began) > 5*time.Second {
		t.Errorf("nobody: %d %s after %v", status, text, time.Since(began))
	}
	asked := make(chan *nats.Msg, 10)
	serveNATS(t, nc, "svc.late", func(m *nats.Msg) { asked <- m })
	stage.PutRoute(t, n, "late", anyone("/late", "nats://svc.late", "timeout", "1s"))
	if status, text, _ := ask(t, n, "GET", "/late", nil); status != 504 || !strings.Contains(text, "upstream_timeout") {
		t.Errorf("late: %d %s", status, text)
	}
	stage.PutRoute(t, n, "late", anyone("/late", "nats://svc.late", "timeout", "10m"))
	<-asked
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.URL()+"/late", nil)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			res.Body.Close()
		}
		ended <- err
	}()
	<-asked
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("a client that goes: %v", err)
	}
	eventually(t, 20*time.Second, "nothing waits for the service any more", func() bool {
		_, text := admin(t, n, http.MethodGet, "/metrics", "")
		return strings.Contains(string(text), `weft_route_running{scheme="nats"} 0`)
	})
}

func askedTooMuch(t *testing.T, n *stage.Node, nc *nats.Conn) {
	serveNATS(t, nc, "svc.echo", func(m *nats.Msg) { _ = m.Respond(m.Data) })
	stage.PutRoute(t, n, "echo", anyone("/echo", "nats://svc.echo"))
	large := bytes.Repeat([]byte("x"), 1<<20)
	if status, text, _ := ask(t, n, "POST", "/echo", bytes.NewReader(large)); status != 200 || text != string(large) {
		t.Errorf("1 MiB: %d, %d bytes back", status, len(text))
	}
	if status, _, _ := ask(t, n, "POST", "/echo", bytes.NewReader(append(large, 'x'))); status != 413 {
		t.Errorf("declared: %d", status)
	}
	if status, _, _ := ask(t, n, "POST", "/echo", io.MultiReader(bytes.NewReader(large), strings.NewReader("x"))); status != 413 {
		t.Errorf("not declared: %d", status)
	}
	serveNATS(t, nc, "svc.verbose", func(m *nats.Msg) { _ = m.Respond(append(large, 'x')) })
	stage.PutRoute(t, n, "verbose", anyone("/verbose", "nats://svc.verbose"))
	if status, text, _ := ask(t, n, "GET", "/verbose", nil); status != 502 || !strings.Contains(text, "upstream_unavailable") {
		t.Errorf("a long reply: %d %s", status, text)
	}
	serveNATS(t, nc, "svc.status", func(m *nats.Msg) { _ = m.RespondMsg(&nats.Msg{Header: nats.Header{"weft-status": {"99"}}}) })
	stage.PutRoute(t, n, "status", anyone("/status", "nats://svc.status"))
	if status, text, _ := ask(t, n, "GET", "/status", nil); status != 502 || !strings.Contains(text, "weft-status") {
		t.Errorf("a bad status: %d %s", status, text)
	}
}

func askedHostile(t *testing.T, n *stage.Node, nc *nats.Conn) {
	serveNATS(t, nc, "svc.any.>", func(m *nats.Msg) { _ = m.Respond([]byte(m.Subject)) })
	var strayed atomic.Int32
	all, err := nc.Subscribe("svc.>", func(m *nats.Msg) {
		if !strings.HasPrefix(m.Subject, "svc.any.") {
			strayed.Add(1)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = all.Unsubscribe() }()
	stage.PutRoute(t, n, "any", anyone("/any/{id}", "nats://svc.any.{id}"))
	stage.PutRoute(t, n, "files", anyone("/files/{rest...}", "nats://svc.any.files.{rest}"))
	for path, want := range map[string]string{
		"/any/a.b.%3E":                    "svc.any.a=2Eb=2E=3E",
		"/any/*":                          "svc.any.=2A",
		"/any/%3E":                        "svc.any.=3E",
		"/any/a%20b%20%7B":                "svc.any.a=20b=20=7B",
		"/files/a/b.c/*":                  "svc.any.files.a.b=2Ec.=2A",
		"/any/" + strings.Repeat("a", 99): "svc.any." + strings.Repeat("a", 99),
	} {
		if status, text, _ := ask(t, n, "GET", path, nil); status != 200 || text != want {
			t.Errorf("%s: %d %s, want %s", path, status, text, want)
		}
	}
	for path, want := range map[string]int{"/any/a%0d%0aSUB": 400, "/any/" + strings.Repeat("a", 201): 403, "/files/": 403, "/files/a//b": 403,
		"/files/" + strings.Repeat("abcdefghi/", 300) + "x": 403} {
		if status, _, _ := ask(t, n, "GET", path, nil); status != want {
			t.Errorf("%.60s: %d, want %d", path, status, want)
		}
	}
	if strayed.Load() > 0 {
		t.Errorf("%d requests strayed", strayed.Load())
	}
	// The connection of all requests has outlived them.
	if status, _, _ := ask(t, n, "GET", "/any/x", nil); status != 200 {
		t.Errorf("afterwards: %d", status)
	}
}

// answeredLater answers a request by NATS whose HTTP back end has said 202.
func answeredLater(t *testing.T, n *stage.Node, nc *nats.Conn) {
	correlations := make(chan string, 1)
	back := stage.StartBackend(t, func(w http.ResponseWriter, r *http.Request) {
		correlations <- r.Header.Get("Weft-Correlation")
		w.WriteHeader(http.StatusAccepted)
	})
	stage.PutRoute(t, n, "later", anyone("/later", back.URL(), "reply", stage.Route{"timeout": "20s"}))
	answers, ctx := make(chan string, 1), within(t, time.Minute)
	go func() { answers <- askLater(ctx, "POST", n.URL()+"/later") }()
	reply := "reply." + <-correlations
	say := func(subject string, h nats.Header, want string) {
		t.Helper()
		m, err := nc.RequestMsg(&nats.Msg{Subject: subject, Header: h, Data: []byte("done")}, 20*time.Second)
		if err != nil || string(m.Data) != want {
			t.Errorf("%v, %v; want %s", m, err, want)
		}
	}
	say(reply, nats.Header{"weft-status": {"700"}}, "-ERR bad_request")
	say(reply, nats.Header{"weft-status": {"201"}}, "+OK")
	say(reply, nil, "-ERR not_found")
	say("reply.nobody.waits", nil, "-ERR not_found")
	if got := <-answers; got != "201 done" {
		t.Error(got)
	}
}

func publishedByAService(t *testing.T, n *stage.Node, nc *nats.Conn) {
	r := record(t, client.SSE, client.Target{URL: n.URL(), Token: stage.Token(t, "ann", nil)})
	serveNATS(t, nc, "svc.notify", func(m *nats.Msg) {
		_ = nc.Publish("user.ann", []byte("your order"))
		_ = m.Respond(nil)
	})
	stage.PutRoute(t, n, "notify", anyone("/notify", "nats://svc.notify"))
	if status, _, _ := ask(t, n, "POST", "/notify", nil); status != 200 {
		t.Errorf("status %d", status)
	}
	if events, err := r.AwaitEvents(soon(t), 1); err != nil || events[0].Text() != "your order" {
		t.Errorf("%v, %v", events, err)
	}
}
