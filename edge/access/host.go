package access

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// ErrHost is returned when a request names a host that is not the listener's.
var ErrHost = errors.New("host of the request is not this listener's name")

// Host protects a listener that trusts whoever can reach it, such as one on
// loopback, from pages of other sites. Those can reach it through a browser on
// the same machine, in two ways: by a request across sites, and by DNS rebinding,
// where the page's own name is made to resolve to the listener. Its methods may be
// called concurrently.
type Host struct {
	names      map[string]bool
	protection *http.CrossOriginProtection
}

// NewHost makes the protection of a listener at listen ("host:port"). It
// answers to IP addresses, which cannot be rebound, to localhost, to the host
// in listen, and to names.
func NewHost(listen string, names []string) (*Host, error) {
	h := &Host{names: map[string]bool{"localhost": true}, protection: http.NewCrossOriginProtection()}
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, fmt.Errorf("parse listen address: %w", err)
	}
	if host != "" {
		h.names[canonicalHost(host)] = true
	}
	for _, n := range names {
		if err := CheckHostName(n); err != nil {
			return nil, err
		}
		h.names[canonicalHost(n)] = true
	}
	return h, nil
}

// CheckHostName reports why name cannot be the name of a listener.
func CheckHostName(name string) error {
	if name == "" || strings.ContainsAny(name, "/ *:@") {
		return fmt.Errorf("%q is no host name; write it without scheme, port and wildcards", name)
	}
	return nil
}

// Check returns ErrHost when the request is for another host, and ErrOrigin
// when its method is unsafe and it comes from a page of another site. It does not
// cover WebSocket.
func (h *Host) Check(r *http.Request) error {
	if err := h.CheckName(r); err != nil {
		return err
	}
	if h.protection.Check(r) != nil {
		return ErrOrigin
	}
	return nil
}

// CheckName returns ErrHost when the request is for another host: its page, if a
// page sent it, may have got here by DNS rebinding. A request of HTTP/1.0 may have no
// host, and is no browser's then.
func (h *Host) CheckName(r *http.Request) error {
	if r.Host == "" && !r.ProtoAtLeast(1, 1) {
		return nil
	}
	host := r.Host
	if strings.IndexByte(host, ':') >= 0 {
		if name, port, err := net.SplitHostPort(host); err == nil {
			if strings.Trim(port, "0123456789") != "" {
				return ErrHost // what follows the name is handed on to whoever builds links with it
			}
			host = name
		}
	}
	if host = canonicalHost(host); h.names[host] {
		return nil
	}
	if _, err := netip.ParseAddr(host); err != nil {
		return ErrHost
	}
	return nil
}

func canonicalHost(s string) string {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	return strings.TrimSuffix(strings.ToLower(s), ".")
}
