package edge

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"weft/edge/netpoll"
	"weft/edge/session"
)

// maxChatter bounds what a client may send that nobody asked it for.
const maxChatter = 64 << 10

// A parked connection has left net/http and costs no goroutine: the poller
// reads, writes and closes it. It is the netpoll.Client of its connection and
// the session.Writer of its queue.
//
// Two parts hold it, whoever made it and the connection; when both have let go
// it leaves.
type parked struct {
	edge    *Edge
	counts  *transportMetrics
	s       *session.Session
	q       *session.Queue
	conn    atomic.Pointer[netpoll.Conn]
	holders atomic.Int32
	release func() // gives the place back that the limits counted
	head    []byte // goes first, whatever becomes of what is queued
	chatter int
}

// parks reports whether the connection of r can be parked: a plain one of its
// own, on a system that has the means.
func (e *Edge) parks(r *http.Request) bool {
	return e.poller != nil && r.TLS == nil && r.ProtoMajor == 1
}

// prepare makes a visit's session. alive may be nil.
func (p *parked) prepare(e *Edge, v *visit, spelling *session.Spelling, counts *transportMetrics, alive func() bool) {
	p.edge, p.counts, p.release = e, counts, v.release
	p.q = session.NewQueue(spelling, p)
	p.s = v.session(p.q, counts, alive)
	p.holders.Store(2)
}

// headWait is how long the head of an answer may wait for weft.open, which then
// goes out with it in one packet.
const headWait = 5 * time.Millisecond

// begin hands the connection over to the poller and follows what the visit asks
// for. client is p or what p is part of; the head must be set. It must be called
// once; when it fails the connection is closed.
func (p *parked) begin(v *visit, h hold, client netpoll.Client) {
	c, err := h.give(p.edge.poller, client)
	if err != nil {
		client.Closed(err)
		return
	}
	p.conn.Store(c)
	if p.s.Ended() { // while there was nobody to hurry
		c.Wake(false)
		c.Hurry(graceKeep)
	}
	if err := p.edge.follow(v, p.s, func() { c.Wake(false) }); err != nil {
		p.s.End(session.Unfollowed(err))
	}
}

// drop lets go of the connection for one of its two holders.
func (p *parked) drop() {
	if p.holders.Add(-1) == 0 {
		p.edge.leave(p.s)
		p.release()
	}
}

// Wake implements session.Writer.
func (p *parked) Wake(bulk bool) {
	if c := p.conn.Load(); c != nil {
		c.Wake(bulk)
	}
}

// Hurry implements session.Writer.
func (p *parked) Hurry(c session.Cause) {
	if conn := p.conn.Load(); conn != nil {
		conn.Hurry(grace(c))
	}
}

// Take implements netpoll.Client.
func (p *parked) Take() ([][]byte, bool) {
	frames, last := p.q.Take()
	if p.head != nil {
		frames, p.head = append([][]byte{p.head}, frames...), nil
	}
	return frames, last
}

// Wrote implements netpoll.Client.
func (p *parked) Wrote(n int) {
	p.counts.bytes.Add(float64(n))
	if p.q.Wrote() {
		p.counts.connected(p.s.About().Since)
	}
}

// Receive implements netpoll.Client. Who follows over SSE has nothing to say.
func (p *parked) Receive(b []byte) netpoll.Verdict {
	if p.chatter += len(b); p.chatter > maxChatter {
		return netpoll.Drop
	}
	return netpoll.Go
}

// Closed implements netpoll.Client.
func (p *parked) Closed(err error) {
	cause := session.Left
	if errors.Is(err, netpoll.ErrSlow) {
		cause = session.Slow
	}
	p.s.End(cause)
	p.q.Wrote()
	p.drop()
}

// A hold is what a request came over, to be given to the poller: a connection
// that net/http had, or an answer of the front, where the poller has it already.
type hold struct {
	answer *answer
	conn   net.Conn
	early  []byte // what the client sent after its request
}

// take takes the connection of a request.
func take(w http.ResponseWriter) (hold, error) {
	if a, ok := w.(*answer); ok {
		return hold{answer: a}, nil
	}
	return hijack(w)
}

// hijack takes the connection of a request out of everybody's hands.
func hijack(w http.ResponseWriter) (hold, error) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return hold{}, err
	}
	_ = conn.SetDeadline(time.Time{})
	return hold{conn: conn, early: buffered(rw.Reader)}, nil
}

// give gives the connection to the poller. When that fails it is closed.
func (h hold) give(p *netpoll.Poller, client netpoll.Client) (*netpoll.Conn, error) {
	if h.answer != nil {
		return h.answer.become(client), nil
	}
	conn, early, closed := h.conn, h.early, func() {}
	if b, ok := conn.(*begun); ok { // net/http has read what it began with
		conn, early, closed = b.TCPConn, append(early, b.read...), b.guest.peer.Close
	}
	c, err := p.Take(conn, early, client, closed)
	if err != nil {
		_ = h.conn.Close()
	}
	return c, err
}

// drop closes the connection of a request that failed.
func (h hold) drop() {
	if h.answer != nil {
		h.answer.abort()
	} else if h.conn != nil {
		_ = h.conn.Close()
	}
}

// buffered is a copy of what r has read ahead.
func buffered(r *bufio.Reader) []byte {
	b, _ := r.Peek(r.Buffered())
	return bytes.Clone(b)
}
