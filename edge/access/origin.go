package access

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// ErrOrigin is returned when a page of a site that is not permitted is behind
// a request.
var ErrOrigin = errors.New("origin of the request is not permitted")

// Origins knows which origins' pages may use the public listener. Its methods
// may be called concurrently.
type Origins struct {
	permitted  map[string]bool
	protection *http.CrossOriginProtection
}

// NewOrigins permits origins, each scheme://host[:port].
func NewOrigins(origins []string) (*Origins, error) {
	o := &Origins{permitted: map[string]bool{}, protection: http.NewCrossOriginProtection()}
	for _, s := range origins {
		if err := checkOrigin(s); err != nil {
			return nil, err
		}
		if err := o.protection.AddTrustedOrigin(s); err != nil {
			return nil, fmt.Errorf("trust origin: %w", err)
		}
		o.permitted[s] = true
	}
	return o, nil
}

// checkOrigin reports why s is no origin in the form that browsers send (RFC
// 6454 section 6.2).
func checkOrigin(s string) error {
	if s == "*" {
		return errors.New(`"*" is refused, since it would let every site's pages in; list the origins`)
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme == "" || u.Host == "" || u.Hostname() == "":
		return fmt.Errorf("%q is no origin; write scheme://host[:port]", s)
	case s != u.Scheme+"://"+u.Host:
		return fmt.Errorf("%q is more than an origin; write %s://%s", s, u.Scheme, strings.ToLower(u.Host))
	case s != strings.ToLower(s):
		return fmt.Errorf("%q must be in lower case, as browsers send it", s)
	case strings.Contains(s, "*"):
		return fmt.Errorf("%q: a pattern is refused; list the origins", s)
	case u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80":
		return fmt.Errorf("%q names the default port, which browsers leave out; write %s://%s", s, u.Scheme, u.Hostname())
	}
	return nil
}

// Permit refuses, with ErrOrigin, what a page of another site could have made a
// browser send with the user's cookie: with a token from the cookie, a request
// with an unsafe method or a WebSocket upgrade must come from the listener's own
// origin or a permitted one. With an explicit token, or none, nothing is refused.
func (o *Origins) Permit(r *http.Request, t Token) error {
	if t.Source != FromCookie {
		return nil
	}
	// A browser always names the origin of a WebSocket (RFC 6455 section 4.1),
	// and a program that has none can send its token explicitly.
	if IsWebSocket(r) && r.Header.Get("Origin") == "" {
		return ErrOrigin
	}
	return o.PermitSite(r)
}

// PermitSite is Permit whatever the token: for what is trusted without one. A
// request that names no origin is a program's and permitted.
func (o *Origins) PermitSite(r *http.Request) error {
	if IsWebSocket(r) {
		// A WebSocket is not bound by the same-origin policy, so the handshake,
		// though a GET, is judged like an unsafe method.
		unsafe := *r
		unsafe.Method = http.MethodPost
		r = &unsafe
	}
	if o.protection.Check(r) != nil {
		return ErrOrigin
	}
	return nil
}

// IsWebSocket reports whether r asks to become a WebSocket (RFC 6455 section
// 4.1).
func IsWebSocket(r *http.Request) bool {
	for _, line := range r.Header.Values("Upgrade") {
		for offer := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(offer), "websocket") {
				return true
			}
		}
	}
	return false
}
