package access

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// ErrOrigin is returned when a page of a site that is not permitted is behind
// a request.
var ErrOrigin = errors.New("origin of the request is not permitted")

const (
	corsMethods = "GET, POST, PATCH"
	// corsMaxAge is how long a browser may remember a preflight, in seconds;
	// two hours is the most that browsers take.
	corsMaxAge = "7200"
	// maxCORSHeaders bounds how many header names a preflight may ask for.
	maxCORSHeaders = 64
)

// corsHeaders are the request headers that pages may send, besides those that
// begin with ce- (CloudEvents in binary mode).
var corsHeaders = []string{"authorization", "content-type", "last-event-id", "idempotency-key"}

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

// SetHeaders adds the CORS headers of an answer: that it depends on the origin,
// and, for a permitted one, that its page may read it.
func (o *Origins) SetHeaders(h http.Header, r *http.Request) {
	if !slices.Contains(h.Values("Vary"), "Origin") {
		h.Add("Vary", "Origin")
	}
	origin := r.Header.Get("Origin")
	if !o.permitted[origin] {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Access-Control-Expose-Headers", "Retry-After")
}

// Preflight answers a CORS preflight request (Fetch, section 3.2.2) and reports
// whether r was one.
func (o *Origins) Preflight(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" || r.Header.Get("Origin") == "" {
		return false
	}
	h := w.Header()
	o.SetHeaders(h, r)
	h.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
	if !o.permitted[r.Header.Get("Origin")] {
		w.WriteHeader(http.StatusForbidden)
		return true
	}
	h.Set("Access-Control-Allow-Methods", corsMethods)
	h.Set("Access-Control-Max-Age", corsMaxAge)
	if allowed := allowedHeaders(r.Header.Values("Access-Control-Request-Headers")); allowed != "" {
		h.Set("Access-Control-Allow-Headers", allowed)
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}

// allowedHeaders returns those of the asked names that pages may send. They are
// echoed because ce-* cannot be written as a pattern.
func allowedHeaders(asked []string) string {
	var allowed []string
	for _, line := range asked {
		for name := range strings.SplitSeq(line, ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			attribute, isCE := strings.CutPrefix(name, "ce-")
			if len(allowed) < maxCORSHeaders && (slices.Contains(corsHeaders, name) || isCE && attributeName(attribute)) {
				allowed = append(allowed, name)
			}
		}
	}
	return strings.Join(allowed, ", ")
}

// attributeName reports whether s can be the name of a CloudEvents attribute:
// lower-case letters and digits.
func attributeName(s string) bool {
	return s != "" && len(s) <= 40 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
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
