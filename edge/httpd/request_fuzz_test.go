package httpd

import (
	"bufio"
	"bytes"
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

// FuzzHeadInPieces: where a head ends, and whose it is to read, does not depend on how
// the client cuts it.
func FuzzHeadInPieces(f *testing.F) {
	const most = 64
	for _, sent := range []string{
		"", "G", "GET /events", "GET /events HTTP/1.1\r\nHost: a\r\n\r\nmore\r\n\r\n", "GET /events?a HTTP/1.1\nHost: a\n\n", "GET /eventsx HTTP/1.1\r\n\r\n",
		"GET /events HTTP/1.1\r\n\r\r\n\r\n", "GET /events \n\r\n\n", "POST /events HTTP/1.1\r\n\r\n", "GET /events \r\n" + strings.Repeat("a", most) + "\r\n\r\n",
		"GET /events " + strings.Repeat("a", most-len("GET /events ")-2) + "\n\n", "GET /events " + strings.Repeat("a", most-len("GET /events ")-1) + "\n\n",
	} {
		f.Add([]byte(sent), uint16(1))
		f.Add([]byte(sent), uint16(7))
	}
	f.Fuzz(func(t *testing.T, sent []byte, size uint16) {
		end, others := scan(sent, 0, "/events", most)
		if end >= 0 && !others && end != bytes.Index(sent, []byte("\n\n"))+2 && end != bytes.Index(sent, []byte("\n\r\n"))+3 {
			t.Errorf("%q ends at %d", sent, end)
		}
		for seen := 0; seen < len(sent); {
			have := min(len(sent), seen+max(1, int(size)))
			at, theirs := scan(sent[:have], seen, "/events", most)
			if theirs != others && (theirs || have == len(sent)) || !theirs && at >= 0 && at != end || have == len(sent) && !others && at != end {
				t.Fatalf("%q: %d bytes end at %d, others %v; all at %d, others %v", sent, have, at, theirs, end, others)
			}
			if theirs || at >= 0 {
				return
			}
			seen = have
		}
	})
}
