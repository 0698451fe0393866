package httpd

import (
	"bytes"
	"net/http"
	"strings"
	"sync/atomic"
)

// A head is where the head of a connection's current request is, while nothing was read
// behind it: in net/http's own buffer, so that looking costs no copy.
type head struct {
	begun atomic.Bool // something was read since the connection was idle
	first []byte      // belongs to who reads the connection
}

// next is called when the next request is waited for.
func (h *head) next() { h.begun.Store(false) }

// note is told of what was read.
func (h *head) note(b []byte) {
	switch {
	case cap(b) == 1: // net/http watches a connection, a byte at a time, while a request is served
	case h.begun.Load():
		h.first = joined(h.first, b)
	default:
		h.begun.Store(true)
		h.first = b
	}
}

// joined is both if one follows the other in the same buffer, and else nil: that has moved.
func joined(first, b []byte) []byte {
	if n := len(first); n < cap(first) && len(b) > 0 && &first[:n+1][n] == &b[0] {
		return first[:n+len(b)]
	}
	return nil
}

// OnlyChunked reports whether it is certain that a request of HTTP/1, which came in
// chunks, had no Content-Length beside that. net/http takes one out before anybody can see
// it. It must be called before the body is read. Of what came in pieces, or by TLS, it is
// not certain.
func OnlyChunked(r *http.Request) bool {
	p, ok := r.Context().Value(connKey{}).(*prefixedConn)
	if !ok || r.TLS != nil {
		return false
	}
	text, line := p.head.first, r.Method+" "+r.RequestURI+" HTTP/1."
	// The first byte may have come while the request before was served.
	if !bytes.HasPrefix(text, []byte(line)) && !bytes.HasPrefix(text, []byte(line[1:])) {
		return false
	}
	end := headEnd(text, 0)
	return end > 0 && !strings.Contains(strings.ToLower(string(text[:end])), "content-length")
}
