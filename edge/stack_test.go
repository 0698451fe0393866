package edge_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"

	"weft/edge"
	"weft/edge/admin"
	"weft/edge/auth"
	"weft/edge/problem"
	"weft/edge/proxy/reply"
	"weft/jetstream"
	"weft/jetstream/api"
	"weft/jetstream/event"
	"weft/jetstream/feed"
	"weft/jetstream/subject"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Paths of both listeners.
const (
	pathEvents      = "/_weft/v1/events"
	pathConnections = "/_weft/v1/connections/"
)

// secret signs the tokens of these tests.
const secret = "a secret that is long enough for HS256"

// stack is a node with all that stands on it, and an edge on top.
type stack struct {
	t      *testing.T
	node   *jetstream.Node
	edge   *edge.Edge
	cfg    edge.Config
	deps   edge.Deps
	js     jetstream.Config
	reg    *prometheus.Registry
	client *http.Client
	ready  atomic.Pointer[error]
	drains atomic.Int32
	log    *slog.Logger // nil: to the test

	trust *tls.Config // of clients, when the public listener has TLS
}

// newStack starts one; change may alter the configuration.
func newStack(t *testing.T, change func(c *edge.Config, js *jetstream.Config)) *stack {
	t.Helper()
	return newStackOn(t, onPoller, change)
}

// newStackOn starts one whose connections are served on the path p.
func newStackOn(t *testing.T, p path, change func(c *edge.Config, js *jetstream.Config)) *stack {
	t.Helper()
	s := prepareStack(t, "n1", change)
	p.set(t, s)
	s.must(s.start(t.Context()))
	return s
}

// prepareStack makes one that start has yet to start.
func prepareStack(t *testing.T, name string, change func(c *edge.Config, js *jetstream.Config)) *stack {
	s := &stack{t: t, cfg: edge.Default(), js: jetstream.Default(), reg: prometheus.NewRegistry()}
	s.cfg.Public.Listen, s.cfg.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0"
	s.cfg.Public.Hosts = []string{"a", "b", "weft", "x"} // which raw requests name
	s.cfg.Public.Keepalive, s.cfg.Public.DrainWindow = 200*time.Millisecond, 50*time.Millisecond
	s.cfg.Auth.Issuers = []auth.Issuer{{Keys: []auth.Key{{Alg: "HS256", Secret: secret}}}}
	s.cfg.Auth.Allow = []string{"topic.hotel.*", "topic.own.{/sub}", "topic.extra.{/extra}"}
	s.cfg.Auth.Publish = []string{"topic.hotel.*"}
	s.cfg.Auth.Anonymous.Allow = []string{"topic.hotel.lobby"}
	s.js.Node.Name, s.js.Node.DataDir, s.js.Node.Listen = name, t.TempDir(), "127.0.0.1:0"
	if change != nil {
		change(&s.cfg, &s.js)
	}
	return s
}

// start opens all, which ends with the test.
func (s *stack) start(ctx context.Context) error {
	log := slog.New(slog.NewTextHandler(s.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})).With("node", s.js.Node.Name)
	if s.log != nil {
		log = s.log
	}
	closed := func(close func() error) {
		s.t.Cleanup(func() {
			if err := close(); err != nil {
				s.t.Error(err)
			}
		})
	}
	s.client = &http.Client{Transport: &http.Transport{TLSClientConfig: s.trust.Clone(), ForceAttemptHTTP2: true}}
	s.node = jetstream.New(s.js, log, s.reg)
	if err := s.node.Open(ctx); err != nil {
		return err
	}
	closed(s.node.Close)
	hub := feed.New(feed.Params{Store: s.node.Store(), Presence: s.node.Presence(), OpenCopies: feed.Live(s.node.OpenLive), Relinked: s.node.Cluster().Links().Relinked,
		Clustered: s.node.Clustered(), Token: s.node.Token()}, log, s.reg)
	if err := hub.Open(ctx); err != nil {
		return err
	}
	closed(hub.Close)
	verifier, err := auth.New(s.cfg.Auth, log, s.reg)
	if err != nil {
		return err
	}
	if err := verifier.Open(ctx); err != nil {
		return err
	}
	s.deps = edge.Deps{
		Node: partsOf(s.node), Routes: s.node.Routes(), Waiting: reply.New(s.reg), Hub: hub, Verifier: verifier, Ingest: &storing{s.node}, Gatherer: s.reg, Version: "v1.2.3",
		Ready: func() error {
			if err := s.ready.Load(); err != nil {
				return *err
			}
			return nil
		},
		Drain: func() { s.drains.Add(1) },
	}
	if s.edge, err = edge.New(s.cfg, s.deps, log, s.reg); err != nil {
		return err
	}
	if err := s.edge.Open(ctx); err != nil {
		return err
	}
	running, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.edge.Run(running) }()
	closed(func() error {
		cancel()
		err := errors.Join(<-done, s.edge.Close())
		s.client.CloseIdleConnections()
		return err
	})
	return nil
}

func (s *stack) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// storing is an ingest that stores the body under ?subject=.
type storing struct{ node *jetstream.Node }

func (i *storing) Accept(ctx context.Context, r *http.Request, publisher event.Publisher, may func(string) bool) ([]string, error) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	id, err := i.AcceptEvent(ctx, publisher, may, q.Get("subject"), q.Get("type"), data)
	return []string{id}, err
}

func (i *storing) AcceptEvent(ctx context.Context, _ event.Publisher, may func(string) bool, sub, typ string, data []byte) (string, error) {
	switch {
	case subject.Check(sub) != nil:
		return "", problem.New(problem.BadEvent, "as it is")
	case !may(sub):
		return "", problem.New(problem.Forbidden, "as it is")
	}
	ack, err := i.node.Store().Publish(ctx, event.Event{Subject: sub, Type: typ, Data: data})
	return ack.Cursor, err
}

// store publishes to the stream and returns the event's cursor. What a busy machine does not
// store within seconds is sent again, which its id makes safe.
func (s *stack) store(sub, typ string, data []byte) string {
	s.t.Helper()
	e := event.Event{Subject: sub, Type: typ, Data: data, ID: event.Operators.KeyID(rand.Text(), 0)}
	ack, err := s.node.Store().Publish(s.t.Context(), e)
	for end := time.Now().Add(time.Minute); errors.Is(err, api.ErrUnavailable) && time.Now().Before(end); {
		ack, err = s.node.Store().Publish(s.t.Context(), e)
	}
	s.must(err)
	return ack.Cursor
}

// token makes a token of user; claims are added.
func (s *stack) token(user string, claims map[string]any) string {
	s.t.Helper()
	tok, err := auth.Mint(s.cfg.Auth, user, claims)
	s.must(err)
	return tok
}

func (s *stack) url(query url.Values) string { return s.origin() + pathEvents + "?" + query.Encode() }

// origin is that of the public listener.
func (s *stack) origin() string {
	if s.trust != nil {
		return "https://" + s.edge.PublicAddr().String()
	}
	return "http://" + s.edge.PublicAddr().String()
}

// do sends a request to the public listener, or to the admin listener when path
// begins with "admin:".
func (s *stack) do(method, path, token, body string, header ...string) (*http.Response, string) {
	s.t.Helper()
	base := s.origin()
	if rest, ok := strings.CutPrefix(path, "admin:"); ok {
		base, path = "http://"+s.edge.AdminAddr().String(), rest
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, base+path, strings.NewReader(body))
	s.must(err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	resp, err := s.client.Do(req)
	s.must(err)
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	s.must(err)
	return resp, string(got)
}

// eventually waits until ok, which must come true by itself.
func (s *stack) eventually(what string, ok func() bool) {
	s.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			s.t.Fatalf("not so within a minute: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// notReady makes the stack say why it is not ready.
func (s *stack) notReady(why string) {
	err := fmt.Errorf("%s", why)
	s.ready.Store(&err)
}

// metric is the value of a counter or gauge with these labels, in pairs; 0 when
// there is none.
func (s *stack) metric(name string, labels ...string) (sum float64) {
	s.t.Helper()
	families, err := s.reg.Gather()
	s.must(err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
	series:
		for _, m := range f.GetMetric() {
			for i := 0; i+1 < len(labels); i += 2 {
				if !slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool {
					return l.GetName() == labels[i] && l.GetValue() == labels[i+1]
				}) {
					continue series
				}
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

// partsOf are the parts of a node that an edge is handed.
func partsOf(n *jetstream.Node) admin.Node {
	return admin.Node{Name: n.Name(), Started: n.Started(), Clustered: n.Clustered(), Cluster: n.Cluster(),
		RPC: n.RPC(), Presence: n.Presence(), Blacklist: n.Blacklist(), Transfer: n.Transfer(), Routes: n.Routes()}
}
