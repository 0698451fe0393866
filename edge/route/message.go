package route

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// carried are the headers of a request that a message has, too, if the client sent them.
var carried = []string{"Content-Type", "Content-Encoding", "Accept", "Accept-Language", "Idempotency-Key"}

// MessageHeader is what a message for a NATS service, or a record for Kafka, says about the
// request, under canonical names: those that the client may choose (content headers, a
// valid traceparent, for Kafka ce-*, and what pass names), those of set, and then ours, which
// nothing overwrites. Authorization and Cookie are there only if pass names them, and the
// token in a cookie or in the query only if the route hands it on. No value holds a control
// character.
func (c *Call) MessageHeader() http.Header {
	from, h := c.Request.Header, make(http.Header, 16)
	for _, name := range carried {
		carry(h, name, from[name])
	}
	if t := from[headerTraceparent]; len(t) == 1 && ValidTraceparent(t[0]) {
		h[headerTraceparent] = []string{t[0]}
	}
	if c.Route.Scheme == Kafka {
		for name, values := range from {
			if strings.HasPrefix(name, "Ce-") {
				carry(h, name, values)
			}
		}
	}
	for _, name := range c.Route.RequestHeaders.Pass {
		switch values := from[name]; {
		case name == "Cookie" && !c.Route.PassToken:
			carry(h, name, WithoutCookie(values, tokenCookie))
		case name == "Host":
			carry(h, name, []string{c.Request.Host})
		default:
			carry(h, name, values)
		}
	}
	c.SetHeaders(h)
	for name := range h {
		if OwnHeader(name) {
			delete(h, name)
		}
	}
	c.setOurs(h)
	for name, values := range h {
		for _, v := range values {
			if !printable(v) {
				delete(h, name)
				break
			}
		}
	}
	return h
}

// Names of headers and parameters, and where a token may stand.
const (
	headerTraceparent = "Traceparent"
	tokenCookie       = "weft_token"
	tokenParameter    = "access_token"
)

// setOurs sets what Weft says of the request.
func (c *Call) setOurs(h http.Header) {
	query := c.Request.URL.RawQuery
	if !c.Route.PassToken {
		query = WithoutParameter(query, tokenParameter)
	}
	address := ""
	if c.Address.IsValid() {
		address = c.Address.String()
	}
	ours := [...]struct{ name, value string }{
		{"Weft-Method", c.Request.Method}, {"Weft-Path", c.Known("path")}, {"Weft-Query", query},
		{"Weft-Route", c.Route.Name}, {"Weft-User", Visible(c.User)}, {"Weft-Session", Visible(c.Session)},
		{"Weft-Address", address}, {"Weft-Correlation", c.Correlation}, {"X-Request-Id", c.RequestID},
	}
	values := make([]string, len(ours)) // of all, at once
	for i, o := range ours {
		if o.value == "" {
			delete(h, o.name)
			continue
		}
		values[i] = o.value
		h[o.name] = values[i : i+1 : i+1]
	}
}

// carry sets a header to values that it may have, which are not changed by who sets others.
func carry(h http.Header, name string, values []string) {
	if len(values) > 0 {
		h[name] = slices.Clip(values)
	}
}

// printable reports whether a value can stand in a header: it has no control character but
// the tab.
func printable(v string) bool {
	for i := range len(v) {
		if b := v[i]; b < ' ' && b != '\t' || b == 0x7f {
			return false
		}
	}
	return true
}

// Visible is a name as a header has it: bytes other than 0x21 to 0x7E, and %, are %XX.
func Visible(s string) string {
	const upperHex = "0123456789ABCDEF"
	more := 0
	for i := range len(s) {
		if b := s[i]; b < 0x21 || b > 0x7e || b == '%' {
			more += 2
		}
	}
	if more == 0 {
		return s
	}
	b := make([]byte, 0, len(s)+more)
	for i := range len(s) {
		if c := s[i]; c < 0x21 || c > 0x7e || c == '%' {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

// WithoutParameter is a query without the parameters of a name, in whatever way the name is
// escaped; all else of it stays byte for byte.
func WithoutParameter(query, name string) string {
	if query == "" {
		return ""
	}
	var kept []string
	whole := true
	for part := range strings.SplitSeq(query, "&") {
		key, _, _ := strings.Cut(part, "=")
		if k, err := url.QueryUnescape(key); err == nil && k == name {
			whole = false
			continue
		}
		kept = append(kept, part)
	}
	if whole {
		return query
	}
	return strings.Join(kept, "&")
}

// WithoutCookie is Cookie headers without the cookies of a name; all else of them stays
// as it was.
func WithoutCookie(headers []string, name string) []string {
	var kept []string
	for _, header := range headers {
		var parts []string
		for part := range strings.SplitSeq(header, ";") {
			if key, _, _ := strings.Cut(part, "="); strings.TrimSpace(key) != name {
				parts = append(parts, strings.TrimSpace(part))
			}
		}
		if len(parts) > 0 {
			kept = append(kept, strings.Join(parts, "; "))
		}
	}
	return kept
}

// ValidTraceparent reports whether a header is one of W3C Trace Context: of the version 00
// exactly, of a later one by its beginning.
func ValidTraceparent(s string) bool {
	const length, zeros = 55, "00000000000000000000000000000000"
	if len(s) < length || len(s) > 256 || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return false
	}
	for i := range length {
		if c := s[i]; i != 2 && i != 35 && i != 52 && (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	switch version := s[:2]; {
	case version == "ff", s[3:35] == zeros, s[36:52] == zeros[:16]:
		return false
	case len(s) > length && (version == "00" || s[length] != '-'):
		return false
	}
	return true
}
