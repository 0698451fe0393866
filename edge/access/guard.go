package edge

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/access"
	"weft/edge/problem"
)

// A gate judges a request by what it shows before anybody reads its token:
// where it comes from, which page sent it, and whether there is room.
type gate struct {
	origins *access.Origins
	proxies *access.Proxies
	limiter *access.Limiter
	host    *access.Host // nil: it may be addressed by any name
	inQuery bool         // a token may stand in the query
}

func newGate(config *Config, reg prometheus.Registerer) (*gate, error) {
	cfg := &config.Public
	g := &gate{inQuery: cfg.TokenInQuery}
	var err error
	if config.namedHosts() {
		if g.host, err = access.NewHost(cfg.Listen, append(originHosts(cfg.CORSOrigins), cfg.Hosts...)); err != nil {
			return nil, err
		}
	}
	if g.origins, err = access.NewOrigins(cfg.CORSOrigins); err != nil {
		return nil, err
	}
	if g.proxies, err = access.NewProxies(cfg.TrustedProxies); err != nil {
		return nil, err
	}
	g.limiter, err = access.NewLimiter(cfg.Limits, reg)
	return g, err
}

// protect refuses what is for another host, answers preflights and adds the CORS
// headers to every answer.
func (g *gate) protect(h http.Handler, b *blame) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.host != nil && g.host.CheckName(r) != nil {
			p := problem.OtherHost("public.hosts")
			b.refused(onPublic, r, p)
			problem.Write(w, p)
			return
		}
		if g.origins.Preflight(w, r) {
			return
		}
		g.origins.SetHeaders(w.Header(), r)
		h.ServeHTTP(w, r)
	})
}

// originHosts are the hosts of origins, whose pages may use the listener anyway.
func originHosts(origins []string) []string {
	var hosts []string
	for _, o := range origins {
		if u, err := url.Parse(o); err == nil && u.Hostname() != "" && !strings.Contains(u.Hostname(), ":") {
			hosts = append(hosts, u.Hostname())
		}
	}
	return hosts
}

// token is the token that a request brings, "" when there is none. One from the
// cookie counts only for pages that may use it.
func (g *gate) token(r *http.Request) (string, error) {
	t, err := access.TokenOf(r, g.inQuery)
	if err != nil {
		return "", problem.New(problem.BadRequest, err.Error())
	}
	if err := g.origins.Permit(r, t); err != nil {
		return "", otherSite()
	}
	return t.Value, nil
}

// site refuses what a page of another site sends, where no token is asked for.
func (g *gate) site(r *http.Request) error {
	if g.origins.PermitSite(r) != nil {
		return otherSite()
	}
	return nil
}

func otherSite() error {
	return problem.New(problem.Forbidden, "the page's origin is not permitted; public.cors_origins adds one")
}

// address is the client's, behind trusted proxies.
func (g *gate) address(r *http.Request) netip.Addr { return g.proxies.Address(r) }

// enter takes a place for a session of a guest's connection. release gives it back.
func (g *gate) enter(in *guest, address netip.Addr, user string) (release func(), err error) {
	place, err := g.limiter.Acquire(address, user)
	if told, ok := errors.AsType[*access.LimitError](err); ok {
		return nil, problem.New(problem.Limit, told.Error()).Retry(problem.Jitter(told.RetryAfter))
	}
	if err != nil || in == nil || in.peer == nil {
		return place, err
	}
	in.peer.Begin()
	return sync.OnceFunc(func() {
		in.peer.End()
		place()
	}), nil
}
