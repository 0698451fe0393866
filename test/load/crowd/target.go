package crowd

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// A Target is a server and what a subscriber asks of it, as templates: {i} is
// the number of the subscriber, {user} its user's name and {token} its token.
type Target struct {
	// URL begins with http, https, ws or wss. The host is taken as it is.
	URL string
	// Hosts, if any, are asked in turn in place of the URL's: host:port.
	Hosts []string
	// Header is lines of the form "Name: value".
	Header []string
	// HTTP2 asks for HTTP/2, which needs https.
	HTTP2 bool
	// User is the name of subscriber i's user; nil: u and the number.
	User func(i int) string
	// Token mints the token of a user; nil: none.
	Token func(user string) string
	// TLS is how the server is trusted.
	TLS *tls.Config
}

// Check says what is wrong with a target.
func (t Target) Check() error {
	u, err := url.Parse(strings.NewReplacer("{", "", "}", "").Replace(t.URL))
	switch {
	case err != nil:
		return fmt.Errorf("parse url: %w", err)
	case u.Host == "" || strings.ContainsAny(t.host(0), "{}"):
		return fmt.Errorf("url %q has no host, or a template as host", t.URL)
	}
	switch scheme, _, _ := strings.Cut(t.URL, ":"); scheme {
	case "http", "ws", "wss":
		if t.HTTP2 {
			return fmt.Errorf("HTTP/2 needs an https url, not %q", t.URL)
		}
	case "https":
	default:
		return fmt.Errorf("url %q does not begin with http, https, ws or wss", t.URL)
	}
	for _, line := range t.Header {
		if name, _, ok := strings.Cut(line, ":"); !ok || name == "" {
			return fmt.Errorf("header %q is not of the form Name: value", line)
		}
	}
	return nil
}

// Transport is what the scheme of the URL means.
func (t Target) Transport() Transport {
	if strings.HasPrefix(t.URL, "ws") {
		return WebSocket
	}
	return SSE
}

// Protocol is what the scheme of the URL means.
func (t Target) Protocol() Protocol {
	switch {
	case t.HTTP2:
		return HTTP2
	case strings.HasPrefix(t.URL, "https:") || strings.HasPrefix(t.URL, "wss:"):
		return TLS
	}
	return Plain
}

// split cuts the URL into its scheme with "://", its host and what follows.
func (t Target) split() (scheme, host, rest string) {
	scheme, rest, _ = strings.Cut(t.URL, "://")
	host = rest
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		host, rest = rest[:i], rest[i:]
	} else {
		rest = ""
	}
	return scheme + "://", host, rest
}

// hosts are the hosts that subscribers ask in turn, one at least.
func (t Target) hosts() []string {
	if len(t.Hosts) > 0 {
		return t.Hosts
	}
	_, host, _ := t.split()
	return []string{host}
}

// host is host:port of the one that subscriber i asks.
func (t Target) host(i int) string {
	hosts := t.hosts()
	host := hosts[i%len(hosts)]
	if !strings.Contains(host, ":") {
		host += ":80"
	}
	return host
}

// user is the name of subscriber i's user.
func (t Target) user(i int) string {
	if t.User == nil {
		return "u" + strconv.Itoa(i)
	}
	return t.User(i)
}

// fill returns the replacer of the templates for subscriber i.
func (t Target) fill(i int) *strings.Replacer {
	user, token := t.user(i), ""
	if t.Token != nil {
		token = t.Token(user)
	}
	return strings.NewReplacer("{i}", strconv.Itoa(i), "{user}", url.PathEscape(user), "{token}", token)
}

// url is where subscriber i asks.
func (t Target) url(i int) string {
	scheme, _, rest := t.split()
	hosts := t.hosts()
	return scheme + hosts[i%len(hosts)] + t.fill(i).Replace(rest)
}

// header is what subscriber i asks with, beside what its transport needs.
func (t Target) header(i int) http.Header {
	h, fill := http.Header{}, t.fill(i)
	for _, line := range t.Header {
		name, value, _ := strings.Cut(line, ":")
		h.Add(name, strings.TrimSpace(fill.Replace(value)))
	}
	if t.Transport() == SSE {
		h.Set("Accept", "text/event-stream")
	}
	return h
}

// request is the head of subscriber i's request over plain HTTP/1.1.
func (t Target) request(i int) []byte {
	fill := t.fill(i)
	_, _, rest := t.split()
	path := fill.Replace(rest)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\n", path, t.host(i))
	if t.Transport() == WebSocket {
		// The key is the example of RFC 6455, section 1.2: it only has to be there.
		b.WriteString("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
	} else {
		b.WriteString("Accept: text/event-stream\r\n")
	}
	for _, line := range t.Header {
		b.WriteString(fill.Replace(line))
		b.WriteString("\r\n")
	}
	b.WriteString("\r\n")
	return []byte(b.String())
}
