package access

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/problem"
)

// A Guard judges a connection by what it shows before anybody reads a token: where it
// comes from, and whether there is room. Its methods may be called concurrently.
type Guard struct {
	proxies *Proxies
	limiter *Limiter
}

// NewGuard makes the guard of a listener. reg may be nil.
func NewGuard(cfg Config, reg prometheus.Registerer) (*Guard, error) {
	proxies, err := NewProxies(cfg.TrustedProxies)
	if err != nil {
		return nil, err
	}
	limiter, err := NewLimiter(cfg.Limits, reg)
	return &Guard{proxies, limiter}, err
}

// Address is the client's, behind trusted proxies.
func (g *Guard) Address(r *http.Request) netip.Addr { return g.proxies.Address(r) }

// Trusts reports whether a request comes straight from a trusted proxy.
func (g *Guard) Trusts(r *http.Request) bool {
	return len(g.proxies.trusted) > 0 && g.proxies.trusts(parseAddress(r.RemoteAddr))
}

// Enter acquires a permit for a session of a guest's connection. release gives it back.
func (g *Guard) Enter(in *Guest, address netip.Addr, user string) (release func(), err error) {
	permit, err := g.limiter.Acquire(address, user)
	if told, ok := errors.AsType[*LimitError](err); ok {
		return nil, problem.New(problem.Limit, told.Error()).Retry(problem.Jitter(told.RetryAfter))
	}
	if err != nil || in == nil || in.peer == nil {
		return permit, err
	}
	in.peer.Begin()
	return sync.OnceFunc(func() {
		in.peer.End()
		permit()
	}), nil
}

// OriginHosts are the hosts of origins, whose pages may use the listener anyway.
func OriginHosts(origins []string) []string {
	var hosts []string
	for _, o := range origins {
		if u, err := url.Parse(o); err == nil && u.Hostname() != "" && !strings.Contains(u.Hostname(), ":") {
			hosts = append(hosts, u.Hostname())
		}
	}
	return hosts
}
