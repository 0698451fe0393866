package route

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"weft/bridge/pointer"
)

// Met reports whether claims meet all that the route requires: of each pointer one of the
// values. A scalar counts as its text, of a list each element.
func (r *Route) Met(claims map[string]any) bool {
	for i := range r.Require {
		if !r.Require[i].met(claims) {
			return false
		}
	}
	return true
}

func (q *Require) met(claims map[string]any) bool {
	found := pointer.Find(claims, q.tokens)
	list, ok := found.([]any)
	if !ok {
		s, ok := pointer.Scalar(found)
		return ok && slices.Contains(q.Values, s)
	}
	return slices.ContainsFunc(list, func(e any) bool {
		s, ok := pointer.Scalar(e)
		return ok && slices.Contains(q.Values, s)
	})
}

// SetHeaders sets the headers of request_headers.set. One whose value cannot be made is not
// there afterwards: a client could put its own in the place of what the back end trusts.
func (c *Call) SetHeaders(h http.Header) {
	for _, s := range c.Route.RequestHeaders.Set {
		if text, ok := s.Value.Header(c); ok {
			h[s.Name] = []string{text}
		} else {
			delete(h, s.Name)
		}
	}
}

// Key is that of the Kafka record; ok is false when it has none, or when a value of it is
// missing. It may hold any byte.
func (c *Call) Key() (key string, ok bool) {
	if c.Route.Key == nil {
		return "", false
	}
	key, ok = c.Route.Key.Text(c)
	return key, ok && key != ""
}

// CloudEventType is the ce_type of the Kafka record, of a route that has a CloudEvent; ok is
// false when a value of it is missing or would not fit: the request is refused then.
func (c *Call) CloudEventType() (ceType string, ok bool) { return c.Route.CloudEvent.Type.Line(c) }

// PathValue implements template.Values.
func (c *Call) PathValue(name string) (string, bool) {
	for i, n := range c.Route.Pattern.Names() {
		if n == name && i < len(c.Values) {
			return c.Values[i], true
		}
	}
	return "", false
}

// Claim implements template.Values.
func (c *Call) Claim(tokens []string) any {
	if c.Claims == nil {
		return nil
	}
	return pointer.Find(c.Claims, tokens)
}

// Header implements template.Values.
func (c *Call) Header(name string) (string, bool) {
	if name == "Host" {
		return c.Request.Host, c.Request.Host != ""
	}
	if v := c.Request.Header[name]; len(v) > 0 {
		return v[0], true
	}
	return "", false
}

// Query implements template.Values. A parameter is what stands between two &; what is not
// escaped as it should be is taken as it was sent.
func (c *Call) Query(name string) (string, bool) {
	for part := range strings.SplitSeq(c.Request.URL.RawQuery, "&") {
		key, value, _ := strings.Cut(part, "=")
		if part != "" && unescape(key) == name {
			return unescape(value), true
		}
	}
	return "", false
}

func unescape(s string) string {
	if text, err := url.QueryUnescape(s); err == nil {
		return text
	}
	return s
}

// Known implements template.Values.
func (c *Call) Known(name string) string {
	switch name {
	case "user":
		return c.User
	case "session":
		return c.Session
	case "request_id":
		return c.RequestID
	case "correlation":
		return c.Correlation
	case "method":
		return c.Request.Method
	case "path":
		return SentPath(c.Request)
	}
	return ""
}
