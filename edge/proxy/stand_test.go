package proxy_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"weft/edge/access"
	"weft/edge/auth"
	"weft/edge/proxy"
	"weft/edge/proxy/reply"
	"weft/edge/proxy/upstream"
	"weft/edge/route"
	"weft/edge/route/pattern"
	"weft/jetstream/routes"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "a secret that is long enough for HS256"

// A stand is a Proxy with a table that tests make, behind a server of net/http's.
type stand struct {
	*proxy.Proxy
	auth   auth.Config
	server *httptest.Server
	reg    *prometheus.Registry

	mu      sync.Mutex
	table   *routes.Table
	revoked map[string]bool
	records []*route.Record
	asked   func() // when the blacklist is
	ready   error
	// unloaded: there is no table yet.
	unloaded bool
}

// Loaded implements access.Blacklist.
func (s *stand) Loaded() bool { return true }

// Revoked implements access.Blacklist.
func (s *stand) Revoked(session, user string, _ time.Time) bool {
	if s.asked != nil {
		s.asked()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revoked[session] || s.revoked[user]
}

// Log implements proxy.Recorder.
func (s *stand) Log(r *route.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = append(s.records, r)
}

// newStand starts one with routes, whose documents are by name.
func newStand(t testing.TB, record bool, documents map[string]any) *stand {
	t.Helper()
	return newStandTo(t, record, nil, documents)
}

// newStandTo is newStand with another target than upstreams.
func newStandTo(t testing.TB, record bool, target http.RoundTripper, documents map[string]any) *stand {
	t.Helper()
	s := &stand{reg: prometheus.NewRegistry(), revoked: map[string]bool{}, auth: auth.Default()}
	s.auth.Issuers = []auth.Issuer{{Keys: []auth.Key{{Alg: "HS256", Secret: secret}}}}
	log := slog.New(slog.DiscardHandler)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	verifier, err := auth.New(s.auth, log, nil)
	must(err)
	guard, err := access.NewGuard(access.Config{}, nil)
	must(err)
	origins, err := access.NewOrigins(nil)
	must(err)
	servers, err := upstream.New(nil, log, prometheus.NewRegistry())
	must(err)
	params := proxy.Params{
		Table: func() *routes.Table {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.table
		},
		Loaded: func() bool { return !s.unloaded }, Ready: func() error { return s.ready },
		Auth:  &access.Authenticator{Verifier: verifier, Blacklist: s, Origins: origins},
		Guard: guard, Claims: func(_ *auth.Identity, token string) map[string]any { return verifier.Claims(token) },
		Targets:   map[route.Scheme]http.RoundTripper{route.HTTP: servers, route.H2C: servers},
		Upstreams: servers, Waiting: reply.New(prometheus.NewRegistry()), WriteTimeout: 2 * time.Second,
		Logs: proxy.LogNone, Log: log,
	}
	if target != nil {
		params.Targets = map[route.Scheme]http.RoundTripper{route.HTTP: target}
	}
	if record {
		params.Recorder = s
	}
	s.Proxy, err = proxy.New(params, s.reg)
	must(err)
	s.use(t, documents)
	s.server = httptest.NewServer(s.Proxy)
	t.Cleanup(func() {
		s.Close()
		s.server.Close()
		must(servers.Close())
	})
	return s
}

// use makes another table.
func (s *stand) use(t testing.TB, documents map[string]any) {
	t.Helper()
	table := &routes.Table{Routes: map[string]*route.Route{}}
	var entries []pattern.Entry[*route.Route]
	for name, document := range documents {
		text, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		r, wrong := route.Parse(name, text)
		if len(wrong) > 0 {
			t.Fatalf("%s: %v", text, wrong[0])
		}
		table.Routes[name] = r
		entries = append(entries, pattern.Entry[*route.Route]{Pattern: r.Pattern, Value: r})
	}
	table.Index = pattern.NewIndex(entries)
	s.mu.Lock()
	s.table = table
	s.mu.Unlock()
	s.Adopt(table)
}

// token makes a token of a user.
func (s *stand) token(t testing.TB, user string, claims map[string]any) string {
	t.Helper()
	token, err := auth.Mint(s.auth, user, claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// thousand are as many routes of mode none, and more.
func thousand(target string, more map[string]any) map[string]any {
	all := map[string]any{}
	for i := range 1000 {
		all[fmt.Sprintf("r%d", i)] = map[string]any{"pattern": fmt.Sprintf("GET /api/v1/things%d/{id}", i), "target": target, "auth": map[string]any{"mode": "none"}}
	}
	for name, document := range more {
		all[name] = document
	}
	return all
}
