package access

import (
	"net/http"
	"slices"
	"strings"
)

const (
	// corsMaxAge is how long a browser may remember a preflight, in seconds;
	// two hours is the most that browsers take.
	corsMaxAge = "7200"
	// maxCORSHeaders bounds how many header names a preflight may ask for.
	maxCORSHeaders = 64
)

// A CORS lets pages of other origins use a path (Fetch, section 3.2). Each path may
// have one of its own. Its fields must not change while it is used.
type CORS struct {
	Origins *Origins
	// Methods are those that pages may use, as Access-Control-Allow-Methods has them.
	Methods string
	// Header reports whether pages may send the request header of this name, which is
	// in lower case.
	Header func(name string) bool
}

// eventHeaders are the request headers that pages may send to Weft's own paths, besides
// those that begin with ce- (CloudEvents in binary mode).
var eventHeaders = []string{"authorization", "content-type", "last-event-id", "idempotency-key"}

// EventHeader is the Header of Weft's own paths.
func EventHeader(name string) bool {
	attribute, isCE := strings.CutPrefix(name, "ce-")
	return slices.Contains(eventHeaders, name) || isCE && attributeName(attribute)
}

// attributeName reports whether s can be the name of a CloudEvents attribute:
// lower-case letters and digits.
func attributeName(s string) bool {
	return s != "" && len(s) <= 40 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// Protect answers preflights and adds the CORS headers to every response of h.
func (c *CORS) Protect(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if IsPreflight(r) {
			c.Preflight(w, r)
			return
		}
		c.SetHeaders(w.Header(), r)
		h.ServeHTTP(w, r)
	})
}

// SetHeaders says that a response depends on the origin, and, for a permitted one,
// that its page may read it.
func (c *CORS) SetHeaders(h http.Header, r *http.Request) {
	if !slices.Contains(h.Values("Vary"), "Origin") {
		h.Add("Vary", "Origin")
	}
	origin := r.Header.Get("Origin")
	if !c.Origins.permitted[origin] {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Access-Control-Expose-Headers", "Retry-After")
}

// AnyOrigin lets pages of every origin read a response that holds no secret. A permitted origin
// stays named, so that its pages may ask with cookies.
func AnyOrigin(h http.Header) {
	if h.Get("Access-Control-Allow-Origin") == "" {
		h.Set("Access-Control-Allow-Origin", "*")
	}
}

// IsPreflight reports whether a request is a preflight (section 3.2.2).
func IsPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" && r.Header.Get("Origin") != ""
}

// Preflight answers a preflight request.
func (c *CORS) Preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	c.SetHeaders(h, r)
	h.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
	if !c.Origins.permitted[r.Header.Get("Origin")] {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	h.Set("Access-Control-Allow-Methods", c.Methods)
	h.Set("Access-Control-Max-Age", corsMaxAge)
	if allowed := c.allowed(r.Header.Values("Access-Control-Request-Headers")); allowed != "" {
		h.Set("Access-Control-Allow-Headers", allowed)
	}
	w.WriteHeader(http.StatusNoContent)
}

// allowed returns those of the asked header names that pages may send. They are
// echoed because ce-* cannot be written as a pattern.
func (c *CORS) allowed(asked []string) string {
	var allowed []string
	for _, line := range asked {
		for name := range strings.SplitSeq(line, ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			if len(allowed) < maxCORSHeaders && c.Header(name) {
				allowed = append(allowed, name)
			}
		}
	}
	return strings.Join(allowed, ", ")
}
