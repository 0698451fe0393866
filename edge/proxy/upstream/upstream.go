// Package upstream forwards requests to HTTP servers: it chooses among the targets of a
// route, keeps connections to them, tries the next one when nothing was sent, and says
// what a server is told and what a client is told of its answer.
//
// What it promises: path and query arrive byte for byte; what Weft says of the client is
// said by Weft alone; nothing is sent twice but what may be; both bodies stream at once and
// hold no more memory than their buffers; a request in which nothing moves ends; the
// failure of a server is a problem, and never that of a client.
//
// A server (server.go) is scheme and host:port, with its connections and its health, for as
// long as requests go there, whatever becomes of routes. A request's way to one is a trip
// (trip.go).
package upstream

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/problem"
	"weft/edge/route"
)

// An Upstreams is the http.RoundTripper of the schemes http, https and h2c. It is safe for
// concurrent use.
type Upstreams struct {
	log     *slog.Logger
	servers servers
	turns   turns
}

// New makes Upstreams; it does no I/O. The entries must have passed Check; reg may be nil.
func New(entries []Config, log *slog.Logger, reg prometheus.Registerer) (*Upstreams, error) {
	u := &Upstreams{log: log}
	u.servers.log = log
	u.servers.credentials = map[serverKey]*credentials{}
	for i := range entries {
		key, err := entries[i].server()
		if err != nil {
			return nil, fmt.Errorf("read %s.match: %w", entryKey(i), err)
		}
		u.servers.credentials[key] = newCredentials(&entries[i], log)
	}
	return u, u.servers.show(reg)
}

// Close closes the connections that are idle; others close when their requests end. It may
// be called twice.
func (u *Upstreams) Close() error {
	u.servers.close()
	return nil
}

// RoundTrip implements http.RoundTripper. The request's context has a route.Call, and is as
// Rewrite made it; it is not the caller's any more, and its body is not closed. The call can be
// ended. Errors are problems, or those of the context when the client is gone or the call was
// ended.
func (u *Upstreams) RoundTrip(r *http.Request) (*http.Response, error) {
	call := route.CallOf(r.Context())
	if r.URL.Host == "" { // Rewrite could not make the path
		return nil, problem.New(problem.Forbidden, "the path does not fit the route's target")
	}
	candidates, err := u.candidates(call.Route)
	if err != nil {
		return nil, notEquipped()
	}
	t := newTrip(r, call)
	for i, c := range candidates {
		res, err := t.to(c)
		if err == nil {
			return res, nil
		}
		f := t.failure(err)
		u.log.Debug("a target failed", "route", call.Route.Name, "target", c.server.name, "err", err)
		if !f.again || i == len(candidates)-1 {
			t.clock.stop()
			for _, left := range candidates[i+1:] {
				left.release()
			}
			return nil, f
		}
	}
	return nil, notEquipped()
}

// notEquipped is told when this node lacks what it needs to ask a server.
func notEquipped() *problem.Problem {
	p := problem.New(problem.UpstreamUnavailable, "this node cannot use the back end")
	p.Status = http.StatusServiceUnavailable
	return p
}

// A candidate is a server that a request may be sent to.
type candidate struct {
	server *server
	host   string // as the target has it
	probe  bool   // it was set aside, and this request tries it
}

// release gives up the right to try a server that was not tried.
func (c *candidate) release() {
	if c.probe {
		c.server.health.release()
	}
}

// candidates are the targets of a route in the order in which they are tried: one that
// was set aside and is due, then all that are not, by turns. When there is none of either,
// all are.
func (u *Upstreams) candidates(r *route.Route) ([]candidate, error) {
	scheme := string(r.Scheme)
	if len(r.Targets) == 1 {
		s, err := u.servers.get(scheme, r.Targets[0].Host)
		if err != nil {
			return nil, err
		}
		return []candidate{{server: s, host: r.Targets[0].Host}}, nil
	}
	all := make([]candidate, 0, len(r.Targets))
	for i := range r.Targets {
		s, err := u.servers.get(scheme, r.Targets[i].Host)
		if err != nil {
			return nil, err
		}
		all = append(all, candidate{server: s, host: r.Targets[i].Host})
	}
	turn := u.turns.next(r.Name)
	var due, well []candidate
	for _, c := range all {
		switch aside, claimed := c.server.health.aside(len(due) == 0); {
		case claimed:
			c.probe = true
			due = append(due, c)
		case !aside:
			well = append(well, c)
		}
	}
	if len(due)+len(well) == 0 {
		well = all
	}
	return append(due, turned(well, turn)...), nil
}

// turned is a list that begins at another place.
func turned(list []candidate, turn uint64) []candidate {
	if len(list) == 0 {
		return nil
	}
	at := int(turn % uint64(len(list)))
	return append(append(make([]candidate, 0, len(list)), list[at:]...), list[:at]...)
}

var errNoHost = errors.New("a target has no host")
