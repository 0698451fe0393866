package httpd

import (
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"
)

// A pooledRequest is the memory of a plain request and of the fields of its response.
// It is used again, for another client, as soon as the request is served.
type pooledRequest struct {
	request http.Request
	url     url.URL
	header  http.Header // of the request
	values  []string    // of its fields
	answer  http.Header
}

var pooledRequests = sync.Pool{New: func() any { return &pooledRequest{header: make(http.Header), answer: make(http.Header)} }}

// free must be called when nobody uses the request any more.
func (p *pooledRequest) free() {
	if cap(p.values) > 64 { // as nobody else has them
		return
	}
	clear(p.header)
	clear(p.values[:cap(p.values)])
	clear(p.answer)
	p.request, p.url = http.Request{}, url.URL{}
	pooledRequests.Put(p)
}

// readPlain reads the head of a GET request for a path over HTTP/1.1 that is so
// plain that nothing could be understood in two ways; all other heads give nil and
// are for net/http to judge. Plain is: each line a whole field (RFC 9112, section
// 5), none of them about a body or an expectation, one the host. Whatever it takes,
// net/http would take and understand alike; httpguts is the authority of both.
func (p *pooledRequest) readPlain(head, at string) *http.Request {
	line, rest, ok := strings.Cut(head, "\r\n")
	target, isGet := strings.CutPrefix(line, "GET ")
	target, isPlain := strings.CutSuffix(target, " HTTP/1.1")
	if !ok || !isGet || !isPlain || !isTarget(target) {
		return nil
	}
	path, query, asks := strings.Cut(target, "?")
	if path != at {
		return nil
	}
	p.url = url.URL{Path: path, RawQuery: query, ForceQuery: asks && query == ""}
	r := &p.request
	*r = http.Request{Method: http.MethodGet, URL: &p.url, RequestURI: target, Header: p.header, Body: http.NoBody,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	values := slices.Grow(p.values[:0], strings.Count(rest, "\n")) // one allocation for all
	p.values = values[:0]
	for {
		if line, rest, ok = strings.Cut(rest, "\r\n"); !ok {
			return nil
		}
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		if !ok || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return nil
		}
		switch name = textproto.CanonicalMIMEHeaderKey(name); name {
		case "Content-Length", "Transfer-Encoding", "Trailer", "Expect":
			return nil
		case "Host":
			if r.Host != "" || value == "" || !httpguts.ValidHostHeader(value) {
				return nil
			}
			r.Host = value
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
	if v := r.Header["Pragma"]; len(v) > 0 && v[0] == "no-cache" && r.Header["Cache-Control"] == nil {
		r.Header["Cache-Control"] = []string{"no-cache"} // RFC 9111, section 5.4, as net/http
	}
	r.Close = httpguts.HeaderValuesContainsToken(r.Header["Connection"], "close")
	return r
}

// isTarget reports whether s is of visible ASCII, as the target of a request is.
func isTarget(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}
