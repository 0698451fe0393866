// Package proxy serves what does not begin with /_weft/: it finds the route of a request,
// checks all that protects it, and forwards it to the route's target.
//
// A target is an http.RoundTripper: package upstream has the one for HTTP servers, service
// that for NATS services, and bridge/target that for Kafka. Answers that come later are
// waited for in package reply.
//
// Each request is an exchange (exchange.go): it is let in (protect.go) in an order in which
// nothing reaches a target before all checks have passed, and then forwarded (forward.go):
// by one httputil.ReverseProxy if it asks for an upgrade, and straight (pass.go) if not.
// While it runs it can be ended with a cause: by a target, by a revoked or expired token,
// or because the node stops.
package proxy

import (
	"log/slog"
	"net/http"
	"net/http/httputil"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/access"
	"weft/edge/auth"
	"weft/edge/httpd"
	"weft/edge/problem"
	"weft/edge/proxy/reply"
	"weft/edge/proxy/upstream"
	"weft/edge/route"
	"weft/jetstream/routes"
)

// Params are what a Proxy stands on. All but Refused and Recorder are needed.
type Params struct {
	// Table is the newest table of routes, and Loaded reports whether there is one.
	Table  func() *routes.Table
	Loaded func() bool
	// Auth says whose a request is, Guard where it comes from.
	Auth  *access.Authenticator
	Guard *access.Guard
	// Claims are those of a token that was verified, "" in auth.mode none.
	Claims func(id *auth.Identity, token string) map[string]any
	// Origins are those of public.cors_origins.
	Origins []string
	// Ready is nil when the node may serve; its error is a problem.
	Ready func() error
	// Targets serve the requests of each scheme.
	Targets map[route.Scheme]http.RoundTripper
	// Upstreams says what targets are sent and clients are told.
	Upstreams *upstream.Upstreams
	// Waiting is where requests wait for answers that come later.
	Waiting *reply.Waiting
	// WriteTimeout is how long a client may take nothing of an event stream, or of an answer
	// that came as a message. Other answers have the idle_timeout of their route.
	WriteTimeout time.Duration
	// Refused, which may be nil, is told of requests that a route's protection refused.
	Refused func(r *http.Request, p *problem.Problem)
	// Logs is which requests are logged, and Recorder, which may be nil, takes a record of
	// each.
	Logs     LogMode
	Recorder Recorder
	Log      *slog.Logger
}

// A Recorder takes records of requests. Log may be called concurrently and must not block.
type Recorder interface{ Log(*route.Record) }

// A Proxy is the handler of all requests that are not Weft's own.
type Proxy struct {
	p       Params
	reverse httputil.ReverseProxy // of requests for an upgrade
	targets targets
	buffers buffers
	metrics *metrics
	lanes   *lanes
	running *running
}

// New makes a Proxy.
func New(params Params, reg prometheus.Registerer) (*Proxy, error) {
	m, err := newMetrics(reg)
	if err != nil {
		return nil, err
	}
	p := &Proxy{p: params, metrics: m, running: newRunning(),
		lanes: &lanes{origins: params.Origins, metrics: m, byName: map[string]*lane{}}}
	p.targets = targets(params.Targets)
	p.reverse = httputil.ReverseProxy{
		Transport: p.targets, Rewrite: p.rewrite, ModifyResponse: p.respond, ErrorHandler: p.failed,
		BufferPool: &p.buffers, ErrorLog: slog.NewLogLogger(params.Log.Handler(), slog.LevelDebug),
	}
	return p, nil
}

// Adopt is to be told of each table that comes into use.
func (p *Proxy) Adopt(t *routes.Table) { p.lanes.adopt(t) }

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{ResponseWriter: w, proxy: p, began: time.Now(), outcome: outcomes, doubtful: doubtful(r)}
	x.guest, _ = httpd.GuestOf(w, r).(*access.Guest)
	call := &x.call
	call.Request, call.Address, call.Trusted = r, p.p.Guard.Address(r), p.p.Guard.Trusts(r)
	call.RequestID, call.Upgrade = requestID(r, call.Trusted), upgrades(r)
	returned := false
	defer func() {
		x.leave()
		if !returned && !r.ProtoAtLeast(1, 1) {
			httpd.Sever(r)
		}
		x.tell(returned)
	}()
	answered, err := x.letIn()
	switch {
	case err != nil:
		x.refuse(err)
		if p.p.Refused != nil {
			p.p.Refused(r, problem.Of(err))
		}
	case !answered:
		x.forward()
	}
	returned = true
}

// upgrades reports whether a request asks to become a WebSocket, and can (RFC 6455, section
// 4.1). One with a body cannot: where that ends and the WebSocket begins nobody could say.
func upgrades(r *http.Request) bool {
	return r.Method == http.MethodGet && r.ProtoMajor == 1 && r.ProtoMinor > 0 && r.ContentLength == 0 && access.IsWebSocket(r)
}
