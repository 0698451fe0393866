// Package edge is all that a browser or an operator talks to.
//
// The public listener serves events at one URL, GET /_weft/v1/events, over
// Server-Sent Events, WebSocket or long polling, whichever the request asks
// for, and takes events at the same URL by POST. The admin listener serves
// health, metrics, the blacklist and what is connected.
//
// On Linux a plain connection waits for its request in a poller (package httpd); one for
// events is served from there, and while it lasts costs no goroutine (package
// transport). All other requests, TLS and HTTP/2 are net/http's; with tuning.own_http
// false all are.
//
// A request for events is let in (connect.go) when the node is ready, the limits
// allow it, and its token says whose it is and is not revoked. Its transport
// then makes a session, which follows subjects, and writes what the session has
// to say until it ends with a cause. Whatever ends a session, the client is told
// by the one table of session.Ending, in its transport's words.
//
// What it promises: a revoked or expired token is cut within a second, also
// when its client reads nothing; a client that does not read costs at most its
// queue; nothing inner, no token and no payload is logged or shown.
package edge

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/access"
	"weft/edge/admin"
	"weft/edge/auth"
	"weft/edge/auth/check"
	"weft/edge/client"
	"weft/edge/httpd"
	"weft/edge/netpoll"
	"weft/edge/problem"
	"weft/edge/proxy"
	"weft/edge/proxy/reply"
	"weft/edge/proxy/service"
	"weft/edge/proxy/upstream"
	"weft/edge/session"
	"weft/edge/transport"
	"weft/jetstream/event"
	"weft/jetstream/feed"
	"weft/jetstream/routes"
)

// Deps are the parts that the edge stands on. All but Drain, Moved and Recorder are needed.
type Deps struct {
	Node     admin.Node
	Hub      *feed.Hub
	Verifier *auth.Verifier
	Ingest   Ingest
	Routes   *routes.Routes
	// Services are the NATS services that routes lead to, and Kafka is the target of
	// routes to topics; Waiting is where their requests wait for answers that come later.
	Services service.Requester
	Kafka    Kafka
	Waiting  *reply.Waiting
	// Recorder, which may be nil, takes a record of each request that a route serves.
	Recorder proxy.Recorder
	// Ready is nil when the parts below may serve; its error is shown to
	// operators. It is called for each new connection and must be cheap.
	Ready func() error
	// Version is the program's, shown to operators.
	Version string
	// Gatherer is what /metrics shows.
	Gatherer prometheus.Gatherer
	// Drain is called, in a goroutine of its own, when an operator asks the
	// node to stop; it should end the process as SIGTERM does.
	Drain func()
	// Moved, which may be nil, is told of each connection that has come, and of each
	// that has gone. It may not wait.
	Moved func()
}

// Edge is both listeners and the connections of a node. It is composition: it makes the
// parts, hands each what it needs, and opens and closes them.
type Edge struct {
	cfg       Config
	deps      Deps
	log       *slog.Logger
	metrics   *metrics
	report    *errorReporter
	ready     readiness
	guard     *access.Guard
	admission *access.Admission
	sessions  *session.Sessions
	proxy     *proxy.Proxy
	upstreams *upstream.Upstreams
	changer   *changer
	checker   *check.Checker
	public    http.Handler
	admin     http.Handler
	poller    *netpoll.Poller // nil where connections cannot be polled

	serving context.Context // of all requests
	cancel  context.CancelFunc

	mu      sync.Mutex
	closed  bool
	servers []*httpd.Server // the public one and the admin's
}

// New makes an edge. It does no I/O. The configuration must have passed Check.
func New(cfg Config, deps Deps, log *slog.Logger, reg prometheus.Registerer) (*Edge, error) {
	m, err := newMetrics(reg)
	if err != nil {
		return nil, err
	}
	if deps.Moved == nil {
		deps.Moved = func() {}
	}
	e := &Edge{
		cfg: cfg, deps: deps, log: log, metrics: m, report: newErrorReporter(log, m.blame),
		ready:     readiness{below: deps.Ready, blacklist: deps.Node.Blacklist.Loaded},
		admission: access.NewAdmission(m.delayed),
	}
	if err := showReady(reg, e.Ready); err != nil {
		return nil, err
	}
	if e.guard, err = access.NewGuard(cfg.Public.access(), reg); err != nil {
		return nil, err
	}
	if netpoll.Supported && cfg.Tuning.OwnHTTP {
		e.poller = netpoll.New(netpoll.Config{Timeout: cfg.Public.WriteTimeout, Linger: 4 * transport.Linger, RawCalls: cfg.Tuning.RawCalls})
	}
	e.serving, e.cancel = context.WithCancel(context.Background())
	return e, e.compose(reg)
}

// compose makes the handlers of both listeners, and the parts that they stand on.
func (e *Edge) compose(reg prometheus.Registerer) error {
	cfg, deps := &e.cfg.Public, &e.deps
	names, origins, err := e.cfg.pages()
	if err != nil {
		return err
	}
	takes := declare(deps.Verifier.ModeNone(), cfg.TokenInQuery)
	who := &access.Authenticator{
		Verifier: deps.Verifier, Blacklist: deps.Node.Blacklist, Origins: origins, InQuery: cfg.TokenInQuery,
	}
	e.sessions = session.NewSessions(session.Params{
		Keepalive: cfg.Keepalive, WarnBefore: deps.Verifier.WarnBefore(),
		Revoked: who.Revoked, Draining: e.ready.refuseDraining, Opened: e.opened, Closed: e.ended,
	})
	deps.Node.Presence.Serve(&session.Local{Registry: e.sessions.Registry(), Topics: deps.Hub})
	if e.checker, err = e.check(reg); err != nil {
		return err
	}
	publish := &publisher{ingest: deps.Ingest, auth: who, may: e.checker, report: e.report, takes: takes.publish}
	e.changer = &changer{sessions: e.sessions, auth: who, may: e.checker.MayFollow, watch: deps.Node.Presence.Follow, nodes: deps.Node.RPC, log: e.log, takes: takes.change}
	e.changer.answerNodes()
	transports := transport.New(transport.Params{
		Sessions: e.sessions, Metrics: e.metrics.transports, Log: e.log, Serving: e.serving,
		Follow: deps.Hub.Follow, Watch: deps.Node.Presence.Follow, Change: e.changer.change, Publish: publish.event,
		QueueBytes: int(cfg.QueueBytes), Keepalive: cfg.Keepalive, WriteTimeout: cfg.WriteTimeout,
		Takes: takes.events,
	})
	connect := &connector{
		node: deps.Node.Name, transports: transports, metrics: e.metrics.transports, report: e.report, ready: &e.ready,
		auth: who, may: e.checker.MayFollow, guard: e.guard, admission: e.admission, takes: takes.events, atHome: deps.Hub.Holds,
	}
	_, guests := deps.Verifier.Anonymous()
	if e.proxy, err = e.forward(who, reg); err != nil {
		return err
	}
	e.public = newMux(mux{
		others: e.proxy, connect: connect, publish: publish, change: e.changer,
		me: &mirror{who, takes.me, e.checker.Asks}, ready: &e.ready, report: e.report, requests: e.metrics.requests,
		modules: client.Modules(),
		grants:  grants{tokens: !deps.Verifier.ModeNone(), tokenInQuery: cfg.TokenInQuery && !deps.Verifier.ModeNone(), guests: guests},
	}, &access.CORS{Origins: origins, Methods: corsMethods, Header: access.EventHeader}, names)
	e.admin, err = admin.New(admin.Config{
		Token: e.cfg.Admin.Token, Listen: e.cfg.Admin.Listen, Hosts: e.cfg.Admin.Hosts,
	}, admin.Deps{
		Node: deps.Node, Sessions: e.sessions.Registry(), Gatherer: deps.Gatherer, Drain: deps.Drain,
		Version: deps.Version, Ready: e.Ready,
		Refused: func(r *http.Request, p *problem.Problem) { e.report.refused(onAdmin, r, p) }, Failed: e.report.failed,
		Answer: deps.Waiting.Answer, Lacks: e.lacks,
		Publish: func(w http.ResponseWriter, r *http.Request) error {
			return publish.accept(w, r, event.Operators, func(string) bool { return true })
		},
		Publishing: publishOperation(publishParameters()),
	}, e.log)
	return err
}

// Open listens on both addresses. An error names the address and its key.
func (e *Edge) Open(context.Context) error {
	if e.poller != nil {
		if err := e.poller.Open(); err != nil {
			return err
		}
	}
	secure, err := loadTLS(e.cfg.Public.TLS)
	if err != nil {
		return errors.Join(err, e.Close())
	}
	err = e.listen(httpd.ServerConfig{
		Name: "public.listen", Addr: e.cfg.Public.Listen, Handler: e.public,
		TLS: secure, ErrorLog: e.report.httpLog(onPublic), Guests: e.guests(),
	})
	if err != nil {
		return err
	}
	err = e.listen(httpd.ServerConfig{
		Name: "admin.listen", Addr: e.cfg.Admin.Listen, Handler: e.admin, ErrorLog: e.report.httpLog(onAdmin),
	})
	if err != nil {
		return errors.Join(err, e.Close())
	}
	e.deps.Node.Blacklist.OnEntry(e.sessions.Registry().Cut)
	e.deps.Node.Blacklist.OnEntry(e.proxy.Cut)
	e.log.Info("listening", "public", e.PublicAddr().String(), "admin", e.AdminAddr().String())
	return nil
}

// PublicAddr is where the public listener listens; after Open.
func (e *Edge) PublicAddr() net.Addr { return e.servers[0].Addr() }

// AdminAddr is where the admin listener listens; after Open.
func (e *Edge) AdminAddr() net.Addr { return e.servers[1].Addr() }

// Run serves until ctx ends, then returns nil, or until a listener fails. It
// does not say goodbye: Drain does, before.
func (e *Edge) Run(ctx context.Context) error {
	failed := make(chan error, len(e.servers)+1)
	var serving sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	serving.Go(func() { e.sessions.Run(ctx) })
	serving.Go(func() { e.proxy.Run(ctx) })
	if e.poller != nil {
		serving.Go(func() {
			if err := e.poller.Run(); err != nil {
				failed <- err
			}
		})
	}
	if e.deps.Node.Clustered {
		serving.Go(func() { e.watchIsolation(ctx) })
	}
	for _, s := range e.servers {
		serving.Go(func() {
			if err := s.Serve(); err != nil {
				failed <- err
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	cancel()
	err = errors.Join(err, e.Close())
	serving.Wait()
	return err
}

// Ready is nil when the node takes new connections.
func (e *Edge) Ready() error { return e.ready.check() }

// Connections is how many are open.
func (e *Edge) Connections() int { return e.sessions.Registry().Len() }

// Close ends all connections and closes the listeners. It may be called twice.
func (e *Edge) Close() error {
	e.ready.draining.Store(true)
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	servers := e.servers
	e.mu.Unlock()
	e.sessions.EndAll(session.Draining)
	e.proxy.Close()
	asked := e.checker.Close() // who waits for an answer is refused
	ctx, cancel := context.WithTimeout(context.Background(), session.GraceKeep)
	defer cancel()
	errs := []error{asked}
	for _, s := range servers {
		errs = append(errs, s.Close(ctx))
	}
	e.cancel()
	e.sessions.Wait()
	errs = append(errs, e.upstreams.Close())
	if e.poller != nil {
		errs = append(errs, e.poller.Close())
	}
	return errors.Join(errs...)
}
