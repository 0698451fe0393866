package proxy

import (
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"

	"weft/edge/access"
	"weft/edge/route"
	"weft/jetstream/routes"
)

// A lane is a route with what its requests need beside it. It is immutable.
type lane struct {
	route  *route.Route
	counts *counts
	// rate is nil without one. It is handed on to the next version of the route if that
	// has the same rate.
	rate *limiter
	// pages are the origins whose pages may use the cookie, cors those whose pages may
	// read answers; nil without.
	pages, cors *access.Origins
	// claims is set when something depends on them.
	claims bool
}

// lanes are those of the routes of a table.
type lanes struct {
	origins []string // public.cors_origins
	metrics *metrics

	byRoute sync.Map // *route.Route to *lane

	mu     sync.Mutex
	byName map[string]*lane // the newest one
}

// of is the lane of a route, made with the first request.
func (l *lanes) of(r *route.Route) (*lane, error) {
	if found, ok := l.byRoute.Load(r); ok {
		return found.(*lane), nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if found, ok := l.byRoute.Load(r); ok {
		return found.(*lane), nil
	}
	made := &lane{route: r, claims: needsClaims(r)}
	var err error
	if made.pages, err = access.NewOrigins(append(r.CORS[:len(r.CORS):len(r.CORS)], l.origins...)); err != nil {
		return nil, err
	}
	if r.CORS != nil {
		if made.cors, err = access.NewOrigins(r.CORS); err != nil {
			return nil, err
		}
	}
	before := l.byName[r.Name]
	if r.Rate != nil {
		if before != nil && before.rate != nil && before.rate.rate == *r.Rate {
			made.rate = before.rate
		} else {
			made.rate = newLimiter(*r.Rate)
		}
	}
	if before != nil {
		made.counts = before.counts
	} else {
		made.counts = l.metrics.of(r.Name)
	}
	l.byRoute.Store(r, made)
	l.byName[r.Name] = made
	return made, nil
}

// adopt forgets the lanes of routes that a table has no more, and what nobody asked for of
// the others' rates. Requests that run keep theirs.
func (l *lanes) adopt(t *routes.Table) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.byRoute.Range(func(key, found any) bool {
		if r := key.(*route.Route); t.Routes[r.Name] != r {
			l.byRoute.Delete(key)
		}
		return true
	})
	for name, made := range l.byName {
		if t.Routes[name] == nil {
			delete(l.byName, name)
			l.metrics.forget(name, made.counts)
		}
	}
}

// sweep drops what is not needed any more of all rates.
func (l *lanes) sweep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, made := range l.byName {
		if made.rate != nil {
			made.rate.sweep()
		}
	}
}

// needsClaims reports whether something of a route depends on the claims of a token.
func needsClaims(r *route.Route) bool {
	if len(r.Require) > 0 {
		return true
	}
	var texts []string
	for _, s := range r.RequestHeaders.Set {
		texts = append(texts, s.Value.String())
	}
	for _, t := range r.Targets {
		if t.Path != nil {
			texts = append(texts, t.Path.String())
		}
	}
	if r.Key != nil {
		texts = append(texts, r.Key.String())
	}
	if r.CloudEvent != nil {
		texts = append(texts, r.CloudEvent.Type.String())
	}
	return strings.Contains(strings.Join(texts, " "), "{/")
}

// anyHeader is the Header of the CORS of routes: what a browser may send to a back end is
// its affair.
func anyHeader(name string) bool { return httpguts.ValidHeaderFieldName(name) }
