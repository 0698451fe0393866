package edge

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"weft/edge/netpoll"
)

// errLeft is returned for a connection whose client has left.
var errLeft = errors.New("the client has left")

// serve answers the request for events with this head. What is not plain is
// left to net/http.
func (a *arrival) serve(head string) {
	x := exchanges.Get().(*exchange)
	r := x.readPlain(head)
	if r == nil {
		x.free()
		a.leave(head)
		return
	}
	r.RemoteAddr = a.peer.String()
	w := &answer{arrival: a, header: x.answer, last: r.Close}
	defer func() {
		if p := recover(); p != nil {
			a.front.edge.blame.panicked(onPublic, "panic", p, "stack", string(debug.Stack()))
			w.abort()
		}
	}()
	a.front.handler.ServeHTTP(w, r)
	if !w.later {
		w.finish()
		x.free()
	}
}

// An answer is the http.ResponseWriter of a request that the front serves. It
// either goes out whole, or the connection is taken over.
type answer struct {
	arrival *arrival
	header  http.Header
	status  int
	body    [][]byte
	last    bool // the client wants no further one on the connection
	taken   bool
	later   bool   // it is not finished when the handler returns
	sent    func() // called when the answer is sent, or cannot be; may be nil
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
	return w.add([][]byte{bytes.Clone(b)}), nil
}

// add is Write of frames that do not change any more; they are not copied.
func (w *answer) add(frames [][]byte) (n int) {
	w.WriteHeader(http.StatusOK)
	w.body = append(w.body, frames...)
	return total(frames)
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
		conn := &begun{TCPConn: c.conn, read: c.rest, guest: w.arrival.guest}
		return conn, bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn)), nil
	case <-w.arrival.front.edge.poller.Done():
		return nil, nil, errLeft
	}
}

// become gives the connection to a client of the poller.
func (w *answer) become(client netpoll.Client) *netpoll.Conn {
	w.taken = true
	w.arrival.conn.Become(client, 0)
	return w.arrival.conn
}

// abort closes the connection unless it was taken over.
func (w *answer) abort() {
	if !w.taken {
		w.become(&reply{last: true}).Wake(false)
	}
}

// finish sends what was written unless the connection was taken over.
func (w *answer) finish() {
	if w.taken {
		return
	}
	w.WriteHeader(http.StatusOK)
	last := w.last || w.header.Get("Connection") == "close" || w.arrival.guest.overstays()
	if last {
		w.header.Set("Connection", "close")
	}
	w.header.Set("Content-Length", strconv.Itoa(total(w.body)))
	frames := slices.Concat([][]byte{responseHead(w.status, w.header, "")}, w.body)
	conn := w.become(&reply{arrival: w.arrival, frames: frames, last: last, sent: w.sent})
	conn.Wake(false)
	if w.arrival.front.edge.draining.Load() {
		conn.Hurry(graceKeep)
	}
}

// A reply is the netpoll.Client that sends an answer. After the last one it
// closes the connection; else that waits for the next request.
type reply struct {
	spill
	arrival *arrival
	frames  [][]byte
	last    bool
	sent    func()
}

// Take implements netpoll.Client.
func (l *reply) Take() ([][]byte, bool) {
	frames := l.frames
	l.frames = nil
	return frames, l.last
}

// Wrote implements netpoll.Client.
func (l *reply) Wrote(int) {
	if !l.last {
		l.arrival.anew()
		l.over()
	}
}

// over tells that nothing more is to be sent.
func (l *reply) over() {
	if l.sent != nil {
		l.sent()
		l.sent = nil
	}
}

// Closed implements netpoll.Client.
func (l *reply) Closed(error) { l.over() }

// A spill is what a client sends before it is its turn. It is bounded: who
// sends more waits.
type spill struct{ got []byte }

// Receive implements netpoll.Client.
func (s *spill) Receive(b []byte) netpoll.Verdict {
	s.got = append(s.got, b...)
	if len(s.got) > maxChatter {
		return netpoll.Pause
	}
	return netpoll.Go
}

// Rest implements netpoll.Leaver.
func (s *spill) Rest() []byte {
	rest := s.got
	s.got = nil
	return rest
}

// oneLine keeps a value from ending its field.
var oneLine = strings.NewReplacer("\r", " ", "\n", " ")

// responseHead spells the head of an answer (RFC 9112, section 4): the fields of h
// and others, which are whole lines.
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
