package httpd

import (
	"bufio"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http/httpguts"
)

// serverRequest reads a request as net/http's server does: http.ReadRequest, and what
// the server asks of its fields afterwards ((*conn).readRequest). rest is what follows.
func serverRequest(sent string) (r *http.Request, rest string, err error) {
	in := bufio.NewReaderSize(strings.NewReader(sent), len(sent)+16)
	if r, err = http.ReadRequest(in); err != nil {
		return nil, "", err
	}
	left, _ := io.ReadAll(in)
	return r, string(left), judgeFields(r)
}

func judgeFields(r *http.Request) error {
	hosts := r.Header["Host"] // ReadRequest leaves none
	if r.ProtoAtLeast(1, 1) && r.Host == "" {
		return errors.New("missing required Host header")
	}
	if len(hosts) > 0 || !httpguts.ValidHostHeader(r.Host) {
		return errors.New("malformed Host header")
	}
	for name, values := range r.Header {
		if !httpguts.ValidHeaderFieldName(name) {
			return errors.New("invalid header name")
		}
		for _, v := range values {
			if !httpguts.ValidHeaderFieldValue(v) {
				return errors.New("invalid header value")
			}
		}
	}
	return nil
}

// FuzzPlainRequest: what the own reader takes, net/http takes, and understands it
// alike.
func FuzzPlainRequest(f *testing.F) {
	const line = "GET /_weft/v1/events?subject=topic.a HTTP/1.1\r\n"
	for _, head := range []string{
		line + "Host: a\r\n\r\n",
		line + "Host: a\r\nConnection: x, close\r\nAccept: text/event-stream\r\nPragma: no-cache\r\n\r\n",
		line + "Host: a:1\r\nA: b\r\na: \t c \t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"GET /_weft/v1/events HTTP/1.0 HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /_weft/v1/events?a b\tc HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /_weft/v1/events? HTTP/1.1\r\nHost: a\"<>\r\n\r\n",
		"GET /_weft/v1/events?#x?y%zz HTTP/1.1\r\nHOST: [::1]:80\r\n\r\n",
		line + "Host: a\r\nHost: b\r\n\r\n", line + "Host: a\r\n A: b\r\n\r\n", line + "Host: a\r\nA : b\r\n\r\n",
		line + "Host: a\r\nTransfer-encoding: chunked\r\nContent-length: 1\r\n\r\n", line + "Host: a\r\nA: \xe9\x7f\r\n\r\n",
		line + "Host: a\nA: b\r\n\r\n", line + "Host: a\r\nA:b\rc\r\n\r\n", line + "Host: a\r\n\r\nGET / HTTP/1.1\r\n\r\n", line + "\r\n", line + ": a\r\nHost: a\r\n\r\n",
	} {
		f.Add(head)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		end := headEnd([]byte(sent), 0) // what the conn takes for the head
		if end < 0 {
			return
		}
		head := sent[:end]
		p := &pooledRequest{header: make(http.Header), answer: make(http.Header)}
		own := p.readPlain(head, "/_weft/v1/events")
		if own == nil {
			return
		}
		r, rest, err := serverRequest(sent)
		if err != nil {
			t.Fatalf("%q is taken, and by net/http refused: %v", head, err)
		}
		if rest != sent[end:] {
			t.Errorf("%q follows the head, for net/http %q", sent[end:], rest)
		}
		if own.Method != r.Method || own.RequestURI != r.RequestURI || own.Host != r.Host || own.Proto != r.Proto ||
			own.ProtoMajor != r.ProtoMajor || own.ProtoMinor != r.ProtoMinor || own.Close != r.Close ||
			own.ContentLength != r.ContentLength || own.Body != r.Body || len(r.TransferEncoding) > 0 || len(r.Trailer) > 0 {
			t.Errorf("%q is taken for %+v, by net/http for %+v", head, own, r)
		}
		if *own.URL != *r.URL {
			t.Errorf("%q has the target %+v, for net/http %+v", head, own.URL, r.URL)
		}
		if !maps.EqualFunc(own.Header, r.Header, slices.Equal) {
			t.Errorf("%q has the fields %q, for net/http %q", head, own.Header, r.Header)
		}
	})
}
