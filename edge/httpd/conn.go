package httpd

import (
	"bytes"
	"net"
	"net/netip"
	"time"

	"weft/edge/netpoll"
)

// A conn is a connection whose next request was not answered yet. It is the poller's
// client until then; what it holds is bounded, and little while it is idle.
type conn struct {
	ReadBuffer // received and not read yet
	listener   *Listener
	poll       *netpoll.Conn
	peer       netip.AddrPort
	guest      Guest
	read       time.Time // when the head was received, or the connection left; zero: not yet
}

// next makes the connection wait for its next request.
func (c *conn) next() {
	c.poll.SetClient(&conn{listener: c.listener, poll: c.poll, peer: c.peer, guest: c.guest},
		c.listener.cfg.Limits.idle(c.guest))
}

// scan looks for the end of a request's head in what was received, of which so many
// bytes were seen before; -1 when it is not there yet. others says that it is net/http's
// to read: it is no GET request for the path, or has more than most bytes, which
// net/http says.
func scan(all []byte, seen int, path string, most int) (end int, others bool) {
	end = headEnd(all, max(0, seen-2))
	return end, !begins(all, path) || end > most || end < 0 && len(all) > most
}

// begins reports whether b may be the begin of a GET request for a path: the byte
// behind ends it.
func begins(b []byte, path string) bool {
	for _, part := range [2]string{"GET ", path} {
		n := min(len(b), len(part))
		if string(b[:n]) != part[:n] {
			return false
		}
		b = b[n:]
	}
	return len(b) == 0 || b[0] == ' ' || b[0] == '?'
}

// Receive implements netpoll.Client.
func (c *conn) Receive(b []byte) netpoll.Action {
	if !c.read.IsZero() {
		return c.ReadBuffer.Receive(b)
	}
	seen := len(c.got)
	if seen == 0 {
		c.poll.SetTimeout(headerTime)
	}
	all := b // which is the poller's
	if seen > 0 {
		c.got = append(c.got, b...)
		all = c.got
	}
	end, others := scan(all, seen, c.listener.cfg.Path, maxHead)
	switch {
	case others:
		c.got = append(c.got[:0], all...)
		c.read = time.Now() // what comes meanwhile is kept
		c.leave("")
		return netpoll.Pause
	case end < 0:
		c.got = append(c.got[:0], all...)
		return netpoll.Go
	}
	c.read = time.Now()
	c.poll.SetTimeout(0)
	head := string(all[:end])
	c.got = bytes.Clone(all[end:])
	c.listener.workers.run(func() { c.serve(head) })
	return netpoll.Go
}

// headEnd returns where a request's head ends: behind an empty line (RFC 9112,
// section 2.2); -1 when it does not. It looks from a position on.
func headEnd(b []byte, from int) int {
	for {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return -1
		}
		from += i + 1
		switch rest := b[from:]; {
		case len(rest) > 0 && rest[0] == '\n':
			return from + 1
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return from + 2
		}
	}
}

// serve serves the request with this head. What is not plain is left to net/http.
func (c *conn) serve(head string) {
	p := pooledRequests.Get().(*pooledRequest)
	r := p.readPlain(head, c.listener.cfg.Path)
	if r == nil {
		p.free()
		c.leave(head)
		return
	}
	r.RemoteAddr = c.peer.String()
	w := &Response{conn: c, header: p.answer, last: r.Close}
	defer w.survive()
	c.listener.cfg.Handler.ServeHTTP(w, r)
	if !w.deferred {
		w.finish()
		p.free()
	}
}

// leave hands the connection to net/http: the head that was taken out of what it
// sent, and the rest.
func (c *conn) leave(head string) {
	c.poll.Release(func(tcp *net.TCPConn, rest []byte, err error) {
		if err == nil {
			go c.listener.handOn(c.prefixed(tcp, append([]byte(head), rest...)))
		}
	})
}

// prefixed is what net/http gets of a connection that was released.
func (c *conn) prefixed(tcp *net.TCPConn, read []byte) *prefixedConn {
	return &prefixedConn{TCPConn: tcp, read: read, listener: c.listener, guest: c.guest}
}

// Take implements netpoll.Client. What is said is said by the next client.
func (*conn) Take() ([][]byte, bool) { return nil, false }

// Wrote implements netpoll.Client.
func (*conn) Wrote(int) {}

// Closed implements netpoll.Client.
func (*conn) Closed(error) {}
