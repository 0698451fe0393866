package access

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"weft/edge/origin"
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
		if err := origin.Check(s); err != nil {
			return nil, err
		}
		if err := o.protection.AddTrustedOrigin(s); err != nil {
			return nil, fmt.Errorf("trust origin: %w", err)
		}
		o.permitted[s] = true
	}
	return o, nil
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
