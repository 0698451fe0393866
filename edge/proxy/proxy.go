// Package proxy serves what does not begin with /_weft/: it finds the route of a request,
// checks all that protects it, and forwards it to the route's target.
//
// A target is an http.RoundTripper: package upstream has the one for HTTP servers, service
// that for NATS services, and bridge/target that for Kafka. Answers that come later are
// waited for in package reply.
//
// Each request is an exchange (exchange.go): it is let in (protect.go) in an order in which
// nothing reaches a target before all checks have passed, and then forwarded (forward.go) by
// one httputil.ReverseProxy. While it runs it can be ended with a cause: by a target, by a
// revoked or expired token, or because the node stops.
package proxy

import (
	"log/slog"
	"net/http"
	"net/http/httputil"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/access"
	"weft/edge/proxy/reply"
	"weft/edge/proxy/upstream"
	"weft/edge/route"
	"weft/jetstream/routes"
)

// Params are what a Proxy stands on. All but Recorder are needed.
type Params struct {
	// Table is the newest table of routes.
	Table func() *routes.Table
	// Auth says whose a request is, Guard where it comes from.
	Auth  *access.Authenticator
	Guard *access.Guard
	// Ready is nil when the node may serve; its error is a problem.
	Ready func() error
	// Targets serve the requests of each scheme.
	Targets map[route.Scheme]http.RoundTripper
	// Upstreams says what targets are sent and clients are told.
	Upstreams *upstream.Upstreams
	// Waiting is where requests wait for answers that come later.
	Waiting *reply.Waiting
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
	reverse httputil.ReverseProxy
}

// New makes a Proxy.
func New(p Params, reg prometheus.Registerer) (*Proxy, error) {
	x := &Proxy{p: p}
	x.reverse = httputil.ReverseProxy{
		Transport: targets(p.Targets), Rewrite: x.rewrite, ModifyResponse: x.respond, ErrorHandler: x.failed,
		BufferPool: &buffers{}, ErrorLog: slog.NewLogLogger(p.Log.Handler(), slog.LevelDebug),
	}
	return x, nil
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{ResponseWriter: w, proxy: p}
	x.call.Request = r
	x.call.Address, x.call.Trusted = p.p.Guard.Address(r), p.p.Guard.Trusts(r)
	x.call.RequestID = requestID(r, x.call.Trusted)
	if err := x.letIn(r); err != nil {
		x.refuse(err)
		return
	}
	x.forward(r)
}
