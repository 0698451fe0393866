package transport

import (
	"errors"
	"net/http"
	"sync/atomic"

	"weft/edge/httpd"
	"weft/edge/netpoll"
	"weft/edge/session"
)

// maxChatter bounds what a client may send that nobody asked it for.
const maxChatter = 64 << 10

// A polledConn is a connection that the poller reads, writes and closes, so that it
// costs no goroutine. It is its netpoll.Client, and the session.Writer of its queue.
//
// Two parts hold it, whoever made it and the connection; when both have let go
// it leaves.
type polledConn struct {
	params  *Params
	counts  *counters
	s       *session.Session
	q       *session.Queue
	conn    atomic.Pointer[netpoll.Conn]
	holders atomic.Int32
	owed    atomic.Bool // it is to be read on, as soon as conn is known
	head    []byte      // goes first, whatever becomes of what is queued
	chatter int
}

// open opens the session of a request. alive may be nil.
func (p *polledConn) open(t *Params, c *ConnectRequest, spelling *session.Spelling, counts *counters, alive func() bool) (err error) {
	p.params, p.counts = t, counts
	p.q = session.NewQueue(spelling, p)
	p.holders.Store(2)
	p.s, err = t.open(c, p.q, counts, alive)
	return err
}

// begin hands the connection over to the poller and follows what the request asks
// for. client is p or what p is part of; the head must be set. It must be called
// once; when it fails the connection is closed.
func (p *polledConn) begin(w http.ResponseWriter, r *ConnectRequest, client netpoll.Client) {
	c, err := httpd.Detach(w, r.R, client)
	if err != nil {
		if errors.Is(err, httpd.ErrAttached) {
			p.params.Log.Error("take a connection over", "err", err)
		}
		client.Closed(err)
		return
	}
	p.attached(c)
	if p.s.Ended() { // while there was nobody to hurry
		c.Wake(false)
		c.Hurry(session.GraceKeep)
	}
	if err := p.params.follow(r, p.s, func() { c.Wake(false) }); err != nil {
		p.s.End(session.Unfollowed(err))
	}
}

// attached is told the connection. Its client may have heard something before.
func (p *polledConn) attached(c *netpoll.Conn) {
	p.conn.Store(c)
	if p.owed.Swap(false) {
		c.Resume()
	}
}

// resume has the connection read on after netpoll.Pause.
func (p *polledConn) resume() {
	if p.conn.Load() == nil {
		p.owed.Store(true)
		if p.conn.Load() == nil || !p.owed.Swap(false) {
			return // attached does it
		}
	}
	p.conn.Load().Resume()
}

// drop lets go of the connection for one of its two holders.
func (p *polledConn) drop() {
	if p.holders.Add(-1) == 0 {
		p.params.Sessions.Close(p.s)
	}
}

// Wake implements session.Writer.
func (p *polledConn) Wake(bulk bool) {
	if c := p.conn.Load(); c != nil {
		c.Wake(bulk)
	}
}

// Hurry implements session.Writer.
func (p *polledConn) Hurry(c session.Cause) {
	if conn := p.conn.Load(); conn != nil {
		conn.Hurry(c.Grace())
	}
}

// Take implements netpoll.Client.
func (p *polledConn) Take() ([][]byte, bool) {
	frames, last := p.q.Take()
	if p.head != nil {
		frames, p.head = append([][]byte{p.head}, frames...), nil
	}
	return frames, last
}

// Wrote implements netpoll.Client.
func (p *polledConn) Wrote(n int) {
	p.counts.bytes.Add(float64(n))
	if p.q.Wrote() {
		p.counts.connected(p.s.About().Since)
	}
}

// Receive implements netpoll.Client. Who follows over SSE has nothing to say.
func (p *polledConn) Receive(b []byte) netpoll.Action {
	if p.chatter += len(b); p.chatter > maxChatter {
		return netpoll.Drop
	}
	return netpoll.Go
}

// Closed implements netpoll.Client.
func (p *polledConn) Closed(err error) {
	cause := session.Left
	if errors.Is(err, netpoll.ErrSlow) {
		cause = session.Slow
	}
	p.s.End(cause)
	p.q.Wrote()
	p.drop()
}
