package access

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies finds the client's address. Its methods may be called concurrently.
//
// Only X-Forwarded-For is read. The header Forwarded (RFC 7239) is not: a proxy
// that maintains one of the two passes the other on as the client sent it, and
// believing both would believe the client.
type Proxies struct{ trusted []netip.Prefix }

// NewProxies trusts addresses and networks (CIDR).
func NewProxies(trusted []string) (*Proxies, error) {
	p := &Proxies{}
	for _, s := range trusted {
		prefix, err := parseProxy(s)
		if err != nil {
			return nil, err
		}
		p.trusted = append(p.trusted, prefix)
	}
	return p, nil
}

func parseProxy(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a network like 10.0.0.0/8", s)
	}
	return p.Masked(), nil
}

// Trusts reports whether a peer's address is that of a trusted proxy.
func (p *Proxies) Trusts(a netip.Addr) bool { return p.trusts(a.Unmap().WithZone("")) }

func (p *Proxies) trusts(a netip.Addr) bool {
	for _, prefix := range p.trusted {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// Address returns the address of the client: that of the peer, or, when the
// peer is a trusted proxy, the last in X-Forwarded-For that is not. What stands
// before it was written by the client and proves nothing. An entry that is no
// address ends the search at the proxy that added it. The result is the zero
// Addr when the peer has none (a Unix socket).
func (p *Proxies) Address(r *http.Request) netip.Addr {
	client := parseAddress(r.RemoteAddr)
	lines := r.Header.Values("X-Forwarded-For")
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, more := lines[i], true; more; {
			if !p.trusts(client) {
				return client
			}
			last := rest
			cut := strings.LastIndexByte(rest, ',')
			if more = cut >= 0; more {
				rest, last = rest[:cut], rest[cut+1:]
			}
			next := parseAddress(strings.TrimSpace(last))
			if !next.IsValid() {
				return client
			}
			client = next
		}
	}
	return client
}

// parseAddress reads an address with or without a port, IPv6 with or without
// brackets; zero when it is none. A zone is left out: it means something on one
// machine only.
func parseAddress(s string) netip.Addr {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}
