package edge

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"weft/edge/netpoll"
)

// errLeft is returned for a connection whose client has left.
var errLeft = errors.New("the client has left")

// serve answers the request for events with this head. What is not plain is
// left to net/http.
func (a *arrival) serve(head []byte) {
	r := a.read(head)
	if r == nil {
		a.leave(head)
		return
	}
	w := &answer{arrival: a, header: make(http.Header)}
	defer func() {
		if p := recover(); p != nil {
			a.front.edge.log.Error("serve a request for events: panic", "panic", p, "stack", string(debug.Stack()))
			w.abort()
		}
	}()
	a.front.handler.ServeHTTP(w, r)
	w.finish()
}

var heads = sync.Pool{New: func() any { return bufio.NewReader(nil) }}

// read returns the request if it asks for a stream and is so plain that nothing
// could be understood in two ways; else nil.
func (a *arrival) read(head []byte) *http.Request {
	if !plainHead(head) {
		return nil
	}
	in := heads.Get().(*bufio.Reader)
	in.Reset(bytes.NewReader(head))
	r, err := http.ReadRequest(in)
	if err != nil || r.ProtoMajor != 1 || r.ProtoMinor != 1 || r.Body != http.NoBody || r.Host == "" || !a.front.edge.stays(r) {
		return nil
	}
	in.Reset(nil)
	heads.Put(in)
	r.RemoteAddr = a.peer.String()
	return r
}

// plainHead reports whether each line of a head is a whole field (RFC 9112,
// section 5) of visible ASCII, none of them about a body or an expectation, and
// one the host.
func plainHead(head []byte) bool {
	hosts := 0
	_, rest, _ := bytes.Cut(head, []byte("\r\n"))
	for {
		line, more, ok := bytes.Cut(rest, []byte("\r\n"))
		if !ok {
			return false
		}
		if rest = more; len(line) == 0 {
			return hosts == 1 && len(rest) == 0
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || !token(name) {
			return false
		}
		for _, b := range value {
			if b < ' ' && b != '\t' || b >= 0x7f {
				return false
			}
		}
		switch {
		case bytes.EqualFold(name, []byte("Host")):
			hosts++
			if bytes.ContainsAny(value[1:], "/@\\,") {
				return false
			}
		case bytes.EqualFold(name, []byte("Content-Length")), bytes.EqualFold(name, []byte("Transfer-Encoding")),
			bytes.EqualFold(name, []byte("Expect")), bytes.EqualFold(name, []byte("Trailer")):
			return false
		}
	}
}

// token reports whether b is a token (RFC 9110, section 5.6.2).
func token(b []byte) bool {
	for _, c := range b {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return len(b) > 0
}

// stays reports whether a request for events is for a connection that stays open
// until one of the sides ends it.
func (e *Edge) stays(r *http.Request) bool {
	for _, t := range e.list {
		if t.speaks(r) {
			return t.name() != namePoll
		}
	}
	return false
}

// An answer is the http.ResponseWriter of a request that the front serves. It
// either goes out whole, as the last one of its connection, or the connection
// is taken over.
type answer struct {
	arrival *arrival
	header  http.Header
	status  int
	body    bytes.Buffer
	taken   bool
}

// Header implements http.ResponseWriter.
func (w *answer) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *answer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write implements http.ResponseWriter.
func (w *answer) Write(b []byte) (int, error) {
	if w.taken {
		return 0, http.ErrHijacked
	}
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// Hijack implements http.Hijacker.
func (w *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.taken {
		return nil, nil, http.ErrHijacked
	}
	w.taken = true
	type released struct {
		conn *net.TCPConn
		rest []byte
		err  error
	}
	out := make(chan released, 1)
	w.arrival.conn.Release(func(conn *net.TCPConn, rest []byte, err error) { out <- released{conn, rest, err} })
	select {
	case c := <-out:
		if c.err != nil {
			return nil, nil, c.err
		}
		conn := &begun{TCPConn: c.conn, read: c.rest}
		return conn, bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn)), nil
	case <-w.arrival.front.edge.poller.Done():
		return nil, nil, errLeft
	}
}

// become gives the connection to a client of the poller.
func (w *answer) become(client netpoll.Client) *netpoll.Conn {
	w.taken = true
	w.arrival.conn.Become(client)
	return w.arrival.conn
}

// abort closes the connection unless it was taken over.
func (w *answer) abort() {
	if !w.taken {
		w.become(&letter{})
		w.arrival.conn.Wake(false)
	}
}

// finish sends what was written unless the connection was taken over.
func (w *answer) finish() {
	if w.taken {
		return
	}
	w.WriteHeader(http.StatusOK)
	w.header.Set("Connection", "close")
	w.header.Set("Content-Length", strconv.Itoa(w.body.Len()))
	w.become(&letter{[][]byte{responseHead(w.status, w.header, ""), w.body.Bytes()}})
	w.arrival.conn.Wake(false)
	w.arrival.conn.Hurry(graceKeep)
}

// A letter is the netpoll.Client that sends something and ends.
type letter struct{ frames [][]byte }

// Take implements netpoll.Client.
func (l *letter) Take() ([][]byte, bool) { return l.frames, true }

// Wrote implements netpoll.Client.
func (*letter) Wrote(int) {}

// Receive implements netpoll.Client.
func (*letter) Receive([]byte) netpoll.Verdict { return netpoll.Go }

// Closed implements netpoll.Client.
func (*letter) Closed(error) {}

// oneLine keeps a value from ending its field.
var oneLine = strings.NewReplacer("\r", " ", "\n", " ")

// responseHead spells the head of an answer that ends with its connection (RFC
// 9112, section 6.3): the fields of h and others, which are whole lines.
func responseHead(status int, h http.Header, others string) []byte {
	b := make([]byte, 0, 384)
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	b = append(b, http.StatusText(status)...)
	b = append(b, "\r\nDate: "...)
	b = time.Now().UTC().AppendFormat(b, http.TimeFormat)
	b = append(b, "\r\n"...)
	for name, values := range h {
		for _, v := range values {
			b = append(b, name...)
			b = append(b, ": "...)
			b = append(b, oneLine.Replace(v)...)
			b = append(b, "\r\n"...)
		}
	}
	b = append(b, others...)
	return append(b, "\r\n"...)
}
