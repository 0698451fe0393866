package edge

import (
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// An exchange is the memory of a plain request and of the fields of its answer. It
// is used again, for another client, as soon as the request is served.
type exchange struct {
	request http.Request
	url     url.URL
	header  http.Header // of the request
	values  []string    // of its fields
	answer  http.Header
}

var exchanges = sync.Pool{New: func() any { return &exchange{header: make(http.Header), answer: make(http.Header)} }}

// free must be called when nobody uses the request any more.
func (x *exchange) free() {
	if cap(x.values) > 64 { // as nobody else has them
		return
	}
	clear(x.header)
	clear(x.values[:cap(x.values)])
	clear(x.answer)
	x.request, x.url = http.Request{}, url.URL{}
	exchanges.Put(x)
}

// readPlain reads the head of a GET request for events over HTTP/1.1 that is so
// plain that nothing could be understood in two ways; all other heads give nil and
// are for net/http to judge. Plain is: each line a whole field (RFC 9112, section
// 5) of visible ASCII, none of them about a body or an expectation, one the host.
func (x *exchange) readPlain(head string) *http.Request {
	line, rest, ok := strings.Cut(head, "\r\n")
	target, isPlain := strings.CutSuffix(strings.TrimPrefix(line, "GET "), " HTTP/1.1")
	if !ok || !isPlain || !visible(target) {
		return nil
	}
	path, query, _ := strings.Cut(target, "?")
	if path != pathEvents {
		return nil
	}
	x.url = url.URL{Path: path, RawQuery: query}
	r := &x.request
	*r = http.Request{Method: http.MethodGet, URL: &x.url, RequestURI: target, Header: x.header, Body: http.NoBody,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	values := slices.Grow(x.values[:0], strings.Count(rest, "\n")) // one allocation for all
	x.values = values[:0]
	for {
		if line, rest, ok = strings.Cut(rest, "\r\n"); !ok {
			return nil
		}
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		if !ok || !isToken(name) || !visible(value) {
			return nil
		}
		switch name = textproto.CanonicalMIMEHeaderKey(name); name {
		case "Content-Length", "Transfer-Encoding", "Trailer", "Expect":
			return nil
		case "Host":
			if r.Host != "" || value == "" || strings.ContainsAny(value, "/@\\, \t") {
				return nil
			}
			r.Host = value
		case "Connection":
			r.Close = r.Close || hasToken(value, "close")
			fallthrough
		default:
			if before := r.Header[name]; before != nil {
				r.Header[name] = append(before, value)
				continue
			}
			values = append(values, value)
			r.Header[name] = values[len(values)-1 : len(values) : len(values)]
		}
	}
	if rest != "" || r.Host == "" {
		return nil
	}
	return r
}

// visible reports whether s is of visible ASCII, blanks and tabs.
func visible(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c >= 0x7f {
			return false
		}
	}
	return true
}

// isToken reports whether s is a token (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

// hasToken reports whether a list of tokens has one, in lower case.
func hasToken(list, token string) bool {
	for part := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(part), token) {
			return true
		}
	}
	return false
}
