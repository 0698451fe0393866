package route

import "net/http"

// SetHeaders sets the headers of request_headers.set whose values can be made.
func (c *Call) SetHeaders(h http.Header) {
	for _, s := range c.Route.RequestHeaders.Set {
		if text, ok := s.Value.Header(c); ok {
			h.Set(s.Name, text)
		}
	}
}

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
func (c *Call) Claim(tokens []string) any { return nil }

// Header implements template.Values.
func (c *Call) Header(name string) (string, bool) {
	v := c.Request.Header.Values(name)
	if len(v) == 0 {
		return "", false
	}
	return v[0], true
}

// Query implements template.Values.
func (c *Call) Query(name string) (string, bool) {
	q := c.Request.URL.Query()
	return q.Get(name), q.Has(name)
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
