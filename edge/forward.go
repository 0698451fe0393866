package edge

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/access"
	"weft/edge/auth"
	"weft/edge/auth/check"
	"weft/edge/problem"
	"weft/edge/proxy"
	"weft/edge/proxy/reply"
	"weft/edge/proxy/service"
	"weft/edge/proxy/upstream"
	"weft/edge/route"
)

// Kafka is the target of routes to topics, and the reader of those by which answers come.
type Kafka interface {
	http.RoundTripper
	reply.Topics
	// Configured reports whether this node knows brokers.
	Configured() bool
}

// lacks says what this node lacks to serve a route; nil: nothing. It does not make the
// route a bad one: other nodes may have it.
func (e *Edge) lacks(r *route.Route) *route.FieldError {
	const brokers = "this node has no kafka.brokers, and answers 503"
	away := e.deps.Kafka == nil || !e.deps.Kafka.Configured()
	switch {
	case away && r.Scheme == route.Kafka:
		return &route.FieldError{Field: "target", Detail: brokers}
	case away && r.Reply != nil && r.Reply.Topic != "":
		return &route.FieldError{Field: "reply.topic", Detail: brokers}
	}
	return e.upstreams.Lacks(r)
}

// forward makes what serves the requests that are not Weft's own, with all targets that
// routes can have.
func (e *Edge) forward(who *access.Authenticator, reg prometheus.Registerer) (*proxy.Proxy, error) {
	var err error
	if e.upstreams, err = upstream.New(e.cfg.Upstreams, e.log, reg); err != nil {
		return nil, err
	}
	e.deps.Waiting.AnswerNodes(e.deps.Node.RPC, e.deps.Node.Cluster.Members)
	answered := &reply.Transport{Next: e.upstreams, Topics: e.deps.Kafka}
	targets := map[route.Scheme]http.RoundTripper{
		route.HTTP: answered, route.HTTPS: answered, route.H2C: answered, route.NATS: service.New(e.deps.Services),
	}
	if e.deps.Kafka != nil {
		targets[route.Kafka] = &reply.Transport{Next: e.deps.Kafka, Topics: e.deps.Kafka}
	}
	served, err := proxy.New(proxy.Params{
		Table: e.deps.Routes.Table, Loaded: func() bool { return e.deps.Routes.Table().Made() }, Auth: who, Guard: e.guard, Ready: e.ready.refuse,
		Claims: e.claims, Origins: e.cfg.Public.CORSOrigins, WriteTimeout: e.cfg.Public.WriteTimeout,
		Refused: func(r *http.Request, p *problem.Problem) { e.report.refused(onPublic, r, p) },
		Targets: targets, Upstreams: e.upstreams, Waiting: e.deps.Waiting,
		Logs: e.cfg.Log.RoutesLog, Recorder: e.deps.Recorder, Log: e.log,
	}, reg)
	if err != nil {
		return nil, err
	}
	e.deps.Routes.OnTable(served.Adopt)
	return served, nil
}

// check makes what decides about subjects: the token, and the back end of auth.check.
func (e *Edge) check(reg prometheus.Registerer) (*check.Checker, error) {
	cfg := e.cfg.Auth.External
	if cfg.URL == "" {
		return check.New(cfg, nil, e.log, reg)
	}
	server, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("read auth.check.url: %w", err)
	}
	return check.New(cfg, upstream.NewClient(server, cfg.MaxInFlight, e.cfg.Upstreams, e.log), e.log, reg)
}

// claims are those of somebody whom the verifier knows.
func (e *Edge) claims(id *auth.Identity, token string) map[string]any {
	if e.deps.Verifier.ModeNone() {
		return e.deps.Verifier.TrustedClaims(id.User)
	}
	return e.deps.Verifier.Claims(token)
}
