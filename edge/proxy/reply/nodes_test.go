package reply_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/problem"
	"weft/edge/proxy/reply"
	"weft/edge/route"
	"weft/jetstream/rpc"
)

// A mesh is processes that call each other. Members are those of the cluster, which need
// not be alive.
type mesh struct {
	t       *testing.T
	url     string
	size    int // that the configuration asks for
	mu      sync.Mutex
	members []string
	alive   map[string]*process
}

// A process is a node, until it is killed.
type process struct {
	*reply.Waiting
	reg   *prometheus.Registry
	calls *rpc.RPC
}

func newMesh(t *testing.T, names ...string) *mesh {
	t.Helper()
	s, err := natsserver.NewServer(&natsserver.Options{Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true, MaxPayload: 1<<20 + 64<<10})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	m := &mesh{t: t, url: s.ClientURL(), size: len(names), members: names, alive: map[string]*process{}}
	for _, name := range names {
		m.start(name)
	}
	return m
}

// start starts a process, in the place of the one that was there.
func (m *mesh) start(name string) *process {
	m.t.Helper()
	conn, err := nats.Connect(m.url, nats.NoEcho())
	if err != nil {
		m.t.Fatal(err)
	}
	p := &process{reg: prometheus.NewRegistry()}
	p.Waiting = reply.New(p.reg)
	p.calls = rpc.New(rpc.Params{Node: name, Log: slog.New(slog.DiscardHandler), Members: func() int { return m.size },
		Peers: func() []string { return m.list(func(n string) bool { return n != name && m.alive[n] != nil }) }}, p.reg)
	p.AnswerNodes(p.calls, func() []string { return m.list(nil) })
	if err := p.calls.Open(conn); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(p.calls.Close)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.alive[name] = p
	return p
}

func (m *mesh) list(which func(string) bool) (names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range m.members {
		if which == nil || which(n) {
			names = append(names, n)
		}
	}
	return names
}

func (m *mesh) kill(name string) {
	m.mu.Lock()
	p := m.alive[name]
	delete(m.alive, name)
	m.mu.Unlock()
	p.calls.Close()
}

func (m *mesh) remove(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.members = slices.DeleteFunc(slices.Clone(m.members), func(n string) bool { return n == name })
}

// routed is the code of what Route says, "" for nothing.
func routed(t *testing.T, p *process, correlation string, a *route.Answer) problem.Code {
	t.Helper()
	if err := p.Route(t.Context(), correlation, a); err != nil {
		return problem.Of(err).Code
	}
	return ""
}

func TestAnAnswerReachesItsRequestFromAnyNodeAsItIs(t *testing.T) {
	m := newMesh(t, "n1", "n2", "n3")
	header := http.Header{"Content-Type": {"text/plain"}, "Set-Cookie": {"a=<1>", "b=\xff\xfe"}, "X-Long": {strings.Repeat("<", 40<<10)}}
	long := &route.Answer{Status: 418, Header: header, Body: []byte(strings.Repeat("\x00\n", route.MaxAnswer/2))}
	for name, at := range m.alive {
		for from, p := range m.alive {
			correlation, answer, forget := at.Expect()
			if code := routed(t, p, correlation, long); code != "" {
				t.Fatalf("from %s to %s: %s", from, name, code)
			}
			got := <-answer
			if got.Status != 418 || string(got.Body) != string(long.Body) || fmt.Sprint(got.Header) != fmt.Sprint(header) {
				t.Errorf("from %s to %s: %d %d bytes", from, name, got.Status, len(got.Body))
			}
			if code := routed(t, p, correlation, long); code != problem.NotFound {
				t.Errorf("a second one from %s to %s: %q", from, name, code)
			}
			forget()
		}
		if n := counted(t, at.reg, reply.Delivered); n != 3 {
			t.Errorf("%s counted %v", name, n)
		}
	}
}

func TestNobodyIsToldApartFromNodesThatDoNotAnswer(t *testing.T) {
	m := newMesh(t, "n1", "n2", "n3")
	n1, n2 := m.alive["n1"], m.alive["n2"]
	of1, _, _ := n1.Expect()
	of3, _, _ := m.alive["n3"].Expect()
	again, _, _ := m.alive["n3"].Expect()
	unknown, _, _ := reply.New(prometheus.NewRegistry()).Expect()
	late, _, forget := n2.Expect()
	forget()
	for _, c := range []string{unknown, late, "", "x", "a.b", strings.ToLower(of1[:9]) + "!" + of1[10:]} {
		if code := routed(t, n1, c, answerOf("")); code != problem.NotFound {
			t.Errorf("%q: %q", c, code)
		}
	}
	if code := routed(t, n1, of3, answerOf("")); code != "" {
		t.Errorf("to n3 while it is alive: %q", code)
	}
	m.kill("n3")
	for _, c := range []string{again, unknown} {
		if code := routed(t, n1, c, answerOf("")); code != problem.NotReady {
			t.Errorf("while n3 is dead: %q", code)
		}
	}
	if code := routed(t, n2, of1, answerOf("")); code != "" {
		t.Errorf("to a node that is alive: %q", code)
	}
	m.start("n3")
	for _, c := range []string{again, unknown} {
		if code := routed(t, n1, c, answerOf("")); code != problem.NotFound {
			t.Errorf("after its restart: %q", code)
		}
	}
	fresh, _, _ := m.alive["n3"].Expect()
	if code := routed(t, n1, fresh, answerOf("")); code != "" {
		t.Errorf("to the new process: %q", code)
	}
	m.kill("n3")
	m.remove("n3")
	if code := routed(t, n1, fresh, answerOf("")); code != problem.NotFound {
		t.Errorf("to a node that was removed: %q", code)
	}
}

func TestANodeWithoutOthersRoutesToItself(t *testing.T) {
	alone := reply.New(prometheus.NewRegistry())
	c, answer, _ := alone.Expect()
	header := func(yield func(string, string) bool) { yield("weft-status", "202") }
	if err := alone.Answer(t.Context(), c, header, []byte("x")); err != nil || (<-answer).Status != 202 {
		t.Errorf("%v", err)
	}
	bad := func(yield func(string, string) bool) { yield("weft-status", "99") }
	if err := alone.Answer(t.Context(), c, bad, nil); problem.Of(err).Code != problem.BadRequest {
		t.Errorf("%v", err)
	}
	if err := alone.Answer(t.Context(), c, header, make([]byte, route.MaxAnswer+1)); problem.Of(err).Code != problem.TooLarge {
		t.Errorf("%v", err)
	}
	foreign, _, _ := reply.New(prometheus.NewRegistry()).Expect()
	if err := alone.Route(t.Context(), foreign, answerOf("")); problem.Of(err).Code != problem.NotFound {
		t.Errorf("%v", err)
	}
}

func TestManyAnswersAtOnceAreAllBrought(t *testing.T) {
	m := newMesh(t, "n1", "n2", "n3")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var all sync.WaitGroup
	for i := range 1000 {
		to := m.alive[fmt.Sprintf("n%d", i%3+1)]
		correlation, answer, forget := to.Expect()
		for k := range 2 {
			all.Go(func() {
				err := m.alive[fmt.Sprintf("n%d", (i+k)%3+1)].Route(ctx, correlation, answerOf(fmt.Sprint(i)))
				if code := problem.Of(err).Code; err != nil && code != problem.NotFound {
					t.Errorf("%d: %v", i, err)
				}
			})
		}
		all.Go(func() {
			defer forget()
			select {
			case a := <-answer:
				if string(a.Body) != fmt.Sprint(i) {
					t.Errorf("%d is answered %s", i, a.Body)
				}
			case <-ctx.Done():
				t.Errorf("%d is lost", i)
			}
		})
	}
	all.Wait()
}
