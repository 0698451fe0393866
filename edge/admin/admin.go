// Package admin is the listener for operators: health, readiness and metrics
// without a token, and below /_weft/v1/ the blacklist, what is connected,
// publishing and draining, with the admin token when one is configured.
//
// What is connected is asked from all nodes of the cluster; each such answer says
// how many of them it stands for.
//
// It answers only to its own host names, so that a page that made a name point
// here (DNS rebinding) reaches nothing, and takes nothing that a browser sends
// across sites.
package admin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"weft/edge/access"
	"weft/edge/openapi"
	"weft/edge/problem"
	"weft/edge/route"
	"weft/edge/session"
	"weft/jetstream/blacklist"
	"weft/jetstream/cluster"
	"weft/jetstream/kv"
	"weft/jetstream/presence"
	"weft/jetstream/routes"
	"weft/jetstream/rpc"
)

// Config says who may use the listener.
type Config struct {
	// Token, when set, is asked for below /_weft/.
	Token string
	// Listen is the address, whose host is one of the listener's names.
	Listen string
	// Hosts are further names.
	Hosts []string
}

// A Node is the parts of the node that are shown and used.
type Node struct {
	Name      string
	Started   time.Time
	Clustered bool
	Cluster   *cluster.Cluster
	RPC       *rpc.RPC
	Presence  *presence.Presence
	Blacklist *blacklist.Blacklist
	Transfer  *kv.Transfer
	Routes    *routes.Routes
}

// Deps are what the listener shows and does.
type Deps struct {
	Node     Node
	Sessions *session.Registry
	Gatherer prometheus.Gatherer
	// Version is the program's, for the list of nodes.
	Version string
	// Ready is nil when the node takes connections.
	Ready func() error
	// Publish serves a POST of events; it answers unless it fails. Publishing describes it.
	Publish    func(w http.ResponseWriter, r *http.Request) error
	Publishing openapi.Operation
	// Answer hands an answer that comes later to the request that waits for it, on any
	// node; its errors are problems.
	Answer func(ctx context.Context, correlation string, header iter.Seq2[string, string], body []byte) error
	// Lacks says what this node lacks to serve a route that is good; nil: nothing. It may
	// be nil.
	Lacks func(*route.Route) *route.FieldError
	// Refused is told of requests of those who may not use the listener, and
	// Failed of those that an error of ours refused.
	Refused func(r *http.Request, p *problem.Problem)
	Failed  func(doing string, args ...any)
	// Drain makes the node say goodbye and stop; it may be nil.
	Drain func()
}

// Admin is the handler of the admin listener, safe for concurrent use.
type Admin struct {
	cfg       Config
	deps      Deps
	log       *slog.Logger
	token     [sha256.Size]byte
	host      *access.Host
	metrics   http.Handler
	endpoints []endpoint
	open      []endpoint // for which no token is needed
	document  *openapi.Served
}

// New makes the handler.
func New(cfg Config, deps Deps, log *slog.Logger) (*Admin, error) {
	host, err := access.NewHost(cfg.Listen, cfg.Hosts)
	if err != nil {
		return nil, err
	}
	a := &Admin{
		cfg: cfg, deps: deps, log: log, host: host, token: sha256.Sum256([]byte(cfg.Token)),
		metrics: promhttp.HandlerFor(deps.Gatherer, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}),
	}
	who := &connections{sessions: deps.Sessions, nodes: deps.Node.RPC, online: deps.Node.Presence.Online, log: log}
	entries := &blacklistEntries{deps.Node.Blacklist, log}
	ends := &ender{who, entries}
	a.endpoints = slices.Concat(entries.table(), who.table(), ends.table(), a.table(), newRouteAPI(deps, log).table())
	a.open = a.probes()
	a.document = openapi.Serve(a.describe)
	a.answerNodes(who, ends)
	return a, nil
}

// A request is one to an endpoint.
type request struct {
	*http.Request
	name  string     // what stands in the slot of the path
	query url.Values // as the endpoint declares it
}

// A handler answers, or fails before it has answered.
type handler func(w http.ResponseWriter, r *request) error

// ServeHTTP implements http.Handler.
func (a *Admin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch err := a.host.Check(r); {
	case errors.Is(err, access.ErrHost):
		a.refuse(w, r, problem.OtherHost("admin.hosts"))
		return
	case err != nil:
		a.refuse(w, r, problem.New(problem.Forbidden, "the request comes from another site"))
		return
	}
	if err := a.dispatch(w, r); err != nil {
		p := problem.Of(err)
		if p.Code == problem.Internal {
			a.deps.Failed("serve admin request", "path", r.URL.Path, "err", err)
		}
		problem.Write(w, p)
	}
}

// refuse answers somebody who may not use the listener.
func (a *Admin) refuse(w http.ResponseWriter, r *http.Request, p *problem.Problem) {
	a.deps.Refused(r, p)
	problem.Write(w, p)
}

func (a *Admin) dispatch(w http.ResponseWriter, r *http.Request) error {
	if !strings.HasPrefix(r.URL.Path, pathWeft) {
		return serve(a.open, w, r, "")
	}
	if p := a.authorise(r); p != nil {
		a.refuse(w, r, p)
		return nil
	}
	return serve(a.endpoints, w, r, pathWeft)
}

// authorise compares digests, so that the time tells nothing of the token, its
// length included.
func (a *Admin) authorise(r *http.Request) *problem.Problem {
	if a.cfg.Token == "" {
		return nil
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return problem.New(problem.TokenMissing, "the admin token is needed")
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
	if subtle.ConstantTimeCompare(sum[:], a.token[:]) != 1 {
		return problem.New(problem.TokenInvalid, "this is not the admin token")
	}
	return nil
}

func notFound() error { return problem.New(problem.NotFound, "there is nothing here") }

func text(w http.ResponseWriter, status int, s string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(s + "\n"))
	return nil
}

// answer writes v as JSON.
func answer(w http.ResponseWriter, status int, v any) error {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false) // documents are shown as they were put
	if err := enc.Encode(v); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
	return nil
}
