package httpd

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

// A Response is the http.ResponseWriter of a request that is served here. It either
// goes out whole, or the connection is taken over.
type Response struct {
	conn     *conn
	header   http.Header
	status   int
	body     [][]byte
	last     bool // the client wants no further one on the connection
	taken    bool
	deferred bool   // it is not finished when the handler returns
	sent     func() // called when it is sent, or cannot be; may be nil
}

// Header implements http.ResponseWriter.
func (w *Response) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *Response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write implements http.ResponseWriter.
func (w *Response) Write(b []byte) (int, error) {
	if w.taken {
		return 0, http.ErrHijacked
	}
	return w.WriteFrames([][]byte{bytes.Clone(b)}), nil
}

// WriteFrames is Write of frames that must not change any more: they are not copied.
func (w *Response) WriteFrames(frames [][]byte) (n int) {
	w.WriteHeader(http.StatusOK)
	w.body = append(w.body, frames...)
	return total(frames)
}

// Hijack implements http.Hijacker.
func (w *Response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
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
	w.conn.poll.Release(func(conn *net.TCPConn, rest []byte, err error) { out <- released{conn, rest, err} })
	select {
	case c := <-out:
		if c.err != nil {
			return nil, nil, c.err
		}
		conn := w.conn.prefixed(c.conn, c.rest)
		return conn, bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn)), nil
	case <-w.conn.listener.cfg.Poller.Done():
		return nil, nil, errLeft
	}
}

// become gives the connection to another client of the poller, for good.
func (w *Response) become(client netpoll.Client) *netpoll.Conn {
	w.taken = true
	w.conn.poll.SetClient(client, 0)
	return w.conn.poll
}

// Defer gives the connection to a client that waits until the request can be
// answered. It costs no goroutine meanwhile: the handler must return, and Finish be
// called later. The client embeds Waiting as a rule.
func (w *Response) Defer(client netpoll.Client) {
	w.deferred = true
	w.conn.poll.SetClient(client, 0)
}

// Finish has answer called on a goroutine, to write the response of a request that was
// deferred, and then sends it. It does not block.
func (w *Response) Finish(answer func()) {
	w.conn.listener.workers.run(func() {
		defer w.survive()
		answer()
		w.finish()
	})
}

// OnSent has f called, once, when the response is sent or cannot be.
func (w *Response) OnSent(f func()) { w.sent = f }

// Waiting is the part of a netpoll.Client that has nothing to say, and keeps what it
// hears for the next one.
type Waiting struct{ ReadBuffer }

// Take implements netpoll.Client.
func (*Waiting) Take() ([][]byte, bool) { return nil, false }

// Wrote implements netpoll.Client.
func (*Waiting) Wrote(int) {}

// survive is deferred by who calls a handler: a panic costs its connection only.
func (w *Response) survive() {
	p := recover()
	if p == nil {
		return
	}
	w.conn.listener.cfg.Panicked(p, debug.Stack())
	if !w.taken {
		w.become(&reply{last: true, sent: w.sent}).Wake(false)
	}
}

// finish sends what was written unless the connection was taken over.
func (w *Response) finish() {
	if w.taken {
		return
	}
	w.WriteHeader(http.StatusOK)
	last := w.last || w.header.Get("Connection") == "close" || w.conn.overstays()
	if last {
		w.header.Set("Connection", "close")
	}
	w.header.Set("Content-Length", strconv.Itoa(total(w.body)))
	frames := slices.Concat([][]byte{Head(w.status, w.header, "")}, w.body)
	conn := w.become(&reply{conn: w.conn, frames: frames, last: last, sent: w.sent})
	conn.Wake(false)
	if cfg := &w.conn.listener.cfg; cfg.Draining() {
		conn.Hurry(cfg.Limits.Drain)
	}
}

// overstays reports whether the next response is to be the last one.
func (c *conn) overstays() bool { return !c.guest.Known() && c.guest.Left() <= 0 }

// total is the length of frames.
func total(frames [][]byte) (n int) {
	for _, f := range frames {
		n += len(f)
	}
	return n
}

// A reply is the netpoll.Client that sends a response. After the last one it
// closes the connection; else that waits for the next request.
type reply struct {
	ReadBuffer
	conn   *conn
	frames [][]byte
	last   bool
	sent   func()
}

// Take implements netpoll.Client.
func (p *reply) Take() ([][]byte, bool) {
	frames := p.frames
	p.frames = nil
	return frames, p.last
}

// Wrote implements netpoll.Client.
func (p *reply) Wrote(int) {
	if !p.last {
		p.conn.next()
		p.over()
	}
}

// over tells that nothing more is to be sent.
func (p *reply) over() {
	if p.sent != nil {
		p.sent()
		p.sent = nil
	}
}

// Closed implements netpoll.Client.
func (p *reply) Closed(error) { p.over() }

// oneLine keeps a value from ending its field.
var oneLine = strings.NewReplacer("\r", " ", "\n", " ")

// Head spells the head of a response (RFC 9112, section 4): the fields of h
// and others, which are whole lines.
func Head(status int, h http.Header, others string) []byte {
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
