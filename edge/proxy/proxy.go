// Package proxy serves what does not begin with /_weft/: it finds the route of a request,
// checks all that protects it, and forwards it to the route's target.
//
// A target is an http.RoundTripper: package upstream has the one for HTTP servers, service
// that for NATS services, and bridge/target that for Kafka. Answers that come later are
// waited for in package reply.
package proxy

import (
	"log/slog"
	"net/http"
	"net/http/httputil"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/access"
	"weft/edge/problem"
	"weft/edge/route"
	"weft/edge/route/pattern"
	"weft/jetstream/routes"
)

// Params are what a Proxy stands on.
type Params struct {
	// Table is the newest table of routes.
	Table func() *routes.Table
	// Auth says whose a request is.
	Auth *access.Authenticator
	// Ready is nil when the node may serve; its error is a problem.
	Ready func() error
	// Targets serve the requests of each scheme.
	Targets map[route.Scheme]http.RoundTripper
	Log     *slog.Logger
}

// A Proxy is the handler of all requests that are not Weft's own.
type Proxy struct {
	p Params
}

// New makes a Proxy.
func New(p Params, reg prometheus.Registerer) (*Proxy, error) { return &Proxy{p}, nil }

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, err := pattern.ParsePath(r.URL.EscapedPath())
	if err != nil {
		problem.Write(w, problem.New(problem.BadRequest, err.Error()))
		return
	}
	found, values, ok := p.p.Table().Index.Match(r.Method, r.Host, path)
	if !ok {
		problem.Write(w, problem.New(problem.NotFound, "there is nothing here"))
		return
	}
	call := &route.Call{Route: found, Request: r, Values: values}
	if found.Auth != route.AuthNone {
		id, err := p.p.Auth.Identify(r, "")
		if err != nil {
			problem.Write(w, err)
			return
		}
		call.User, call.Session = id.User, id.Session
	}
	proxy := httputil.ReverseProxy{Transport: p.p.Targets[found.Scheme], Rewrite: func(out *httputil.ProxyRequest) {
		out.Out.URL.Scheme, out.Out.URL.Host = string(found.Scheme), found.Targets[0].Host
		out.Out = out.Out.WithContext(route.WithCall(out.Out.Context(), call))
	}}
	proxy.ServeHTTP(w, r)
}
