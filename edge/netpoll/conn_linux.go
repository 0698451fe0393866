package netpoll

import (
	"io"
	"sync/atomic"
	"syscall"
	"time"
)

// flags say why a worker is to look at a connection.
type flags = uint32

const (
	readable flags = 1 << iota // the peer sent something, or left
	writable                   // a full buffer has room again
	pending                    // the client has something to write
	resumed                    // the client wants to receive again
	hurried                    // a deadline was set
	left                       // the peer sends nothing more
	handed                     // it has a new client, or is released
	failed                     // it could not be watched
	ended                      // the poller ends
	queued                     // it is in the worker's queue
	bulky                      // it is in the worker's queue of large fan-outs
)

// A Conn is a connection that a Poller holds. Wake, Resume, Hurry, SetClient and
// Release may be called concurrently and never block; SetTimeout is for its Client
// when it is being called, the rest for its worker.
type Conn struct {
	client     Client
	closed     func() // called when the connection is closed, whoever its client is; may be nil
	worker     *worker
	fd         int32
	generation int32
	why        atomic.Uint32
	outward    bool         // readiness to write is asked for, too
	closing    bool         // the last frame was written; the peer may read it
	gone       bool         // these three fill a gap: there are many connections
	deadline   atomic.Int64 // wall clock in nanoseconds; 0: none
	handover   atomic.Pointer[handover]

	rest      [][]byte // taken and not yet written
	taken     int      // bytes of what was taken
	early     []byte   // received before the take-over
	last      bool     // the connection ends after rest
	paused    bool     // the client does not want to receive
	unread    bool     // there is something to receive
	left      bool     // the peer sends nothing more after what is unread
	blocked   bool     // the kernel takes no more at the moment
	inLimited bool     // in the worker's list of those with a time limit
	limit     int64    // when it is given up; 0: never
	wrote     int      // bytes since limit was set
}

// Wake tells that the client has something to write. With bulk it may wait
// behind those without.
func (c *Conn) Wake(bulk bool) {
	if bulk {
		c.enqueue(pending, bulky)
		return
	}
	c.enqueue(pending, queued)
}

// Resume reads on after Pause.
func (c *Conn) Resume() { c.enqueue(resumed, queued) }

// Hurry closes the connection at the latest after d. A later deadline than the
// one that is set does not count.
func (c *Conn) Hurry(d time.Duration) {
	at := time.Now().Add(d).UnixNano()
	for {
		old := c.deadline.Load()
		if old != 0 && old <= at {
			return
		}
		if c.deadline.CompareAndSwap(old, at) {
			break
		}
	}
	c.enqueue(hurried, queued)
}

// enqueue has a worker look at the connection for one more reason.
func (c *Conn) enqueue(what, queue flags) {
	// In the quick queue it is looked at for whatever reason; the slow one
	// serves only when it is not there.
	old := c.why.Or(what | queue)
	if old&queue != 0 || queue == bulky && old&queued != 0 {
		return
	}
	c.worker.push(c, queue == bulky)
}

// work does what there is to do.
func (c *Conn) work() {
	why := c.why.Swap(0)
	if why&handed != 0 {
		c.handOver()
	}
	if c.gone {
		return
	}
	switch {
	case why&ended != 0:
		c.finish(ErrClosed)
		return
	case why&failed != 0:
		c.finish(syscall.EBADF)
		return
	}
	if why&readable != 0 {
		c.unread = true
	}
	if why&left != 0 {
		c.left = true
	}
	if why&resumed != 0 {
		c.paused = false
	}
	if c.unread && !c.paused {
		c.read()
	}
	if c.gone {
		return
	}
	wanted := why&pending != 0
	if why&writable != 0 && c.blocked {
		c.blocked, wanted = false, true
	}
	if wanted && !c.blocked && !c.closing {
		c.write()
	}
	if !c.gone && why&hurried != 0 {
		c.limited()
	}
}

// read receives what is there. It is edge-triggered: until nothing is left, or
// the client wants no more. A short read has brought all there was; what comes
// later is reported, but for an end that was there with the bytes.
func (c *Conn) read() {
	if b := c.early; len(b) > 0 {
		c.early = nil
		if !c.closing && !c.receive(b) {
			return
		}
	}
	for rounds := 0; ; rounds++ {
		buf := c.worker.buffer
		n, err := receive(c.fd, buf, c.worker.raw)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			c.unread = false
			return
		case err != nil:
			c.finish(err)
			return
		case n == 0:
			c.finish(io.EOF)
			return
		}
		if !c.closing && !c.receive(buf[:n]) {
			return
		}
		if n < len(buf) && !c.left {
			c.unread = false
			return
		}
		if rounds == 8 { // let others have their turn
			c.enqueue(readable, queued)
			return
		}
	}
}

// receive reports whether reading goes on.
func (c *Conn) receive(b []byte) bool {
	switch c.client.Receive(b) {
	case Pause:
		c.paused = true
		return false
	case Drop:
		c.finish(ErrDone)
		return false
	}
	return true
}

// write writes what is pending: one piece, then others have their turn.
func (c *Conn) write() {
	for budget := Piece; ; {
		if len(c.rest) == 0 {
			if c.taken > 0 {
				c.client.Wrote(c.taken)
				c.taken = 0
			}
			if c.last {
				c.shutdown()
				return
			}
			c.rest, c.last = c.client.Take()
			for _, f := range c.rest {
				c.taken += len(f)
			}
			if len(c.rest) == 0 && !c.last {
				c.idle()
				return
			}
			continue
		}
		if budget <= 0 {
			c.enqueue(pending, queued)
			return
		}
		n, err := send(c.fd, c.piece(), c.worker.raw)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			c.blocked = true
			c.stall()
			c.askForRoom()
			return
		case err != nil:
			c.finish(err)
			return
		default:
			budget -= n
			c.wrote += n
			c.written(n)
		}
	}
}

// askForRoom makes the kernel report when it takes something again: most
// connections are never full and need not hear of it.
func (c *Conn) askForRoom() {
	if c.outward {
		return
	}
	c.outward = true
	if err := c.worker.poller.control(c, syscall.EPOLL_CTL_MOD, inward|syscall.EPOLLOUT); err != nil {
		c.finish(err)
	}
}

// piece is what the next call writes: small frames in one piece.
func (c *Conn) piece() []byte {
	first := c.rest[0]
	if len(c.rest) == 1 || len(first) >= Piece/2 {
		return first[:min(len(first), Piece)]
	}
	joined := c.worker.joined[:0]
	for _, f := range c.rest {
		if len(joined)+len(f) > cap(joined) {
			break
		}
		joined = append(joined, f...)
	}
	return joined
}

// written takes n written bytes off what is left.
func (c *Conn) written(n int) {
	for n > 0 {
		if n < len(c.rest[0]) {
			c.rest[0] = c.rest[0][n:]
			return
		}
		n -= len(c.rest[0])
		c.rest[0] = nil
		c.rest = c.rest[1:]
	}
	for len(c.rest) > 0 && len(c.rest[0]) == 0 {
		c.rest = c.rest[1:]
	}
}

// stall begins to measure how long the peer takes how little.
func (c *Conn) stall() {
	if c.limit == 0 {
		c.wrote = 0
		c.limit = time.Now().Add(c.worker.poller.cfg.Timeout).UnixNano()
	}
	c.limited()
}

// idle is called when there is nothing to write.
func (c *Conn) idle() {
	c.rest, c.limit = nil, 0
}

// shutdown is called when the last frame was written. The peer closes when it
// has read it; closing at once could make the kernel throw it away (RFC 1122,
// section 4.2.2.13).
func (c *Conn) shutdown() {
	c.closing, c.paused, c.rest = true, false, nil
	c.tell(ErrDone)
	if err := syscall.Shutdown(int(c.fd), syscall.SHUT_WR); err != nil {
		c.finish(ErrDone)
		return
	}
	c.limit = time.Now().Add(c.worker.poller.cfg.Linger).UnixNano()
	c.wrote = Piece
	c.limited()
	if c.unread {
		c.enqueue(readable, queued)
	}
}

// limited makes the worker look whether a time limit is over.
func (c *Conn) limited() {
	if !c.inLimited {
		c.inLimited = true
		c.worker.limited = append(c.worker.limited, c)
	}
}

// expire is called now and then for a connection with a time limit. It reports
// whether it still has one.
func (c *Conn) expire(now int64) bool {
	if c.gone {
		return false
	}
	if at := c.deadline.Load(); at != 0 && now >= at {
		c.finish(ErrSlow)
		return false
	}
	switch {
	case c.limit == 0:
	case now < c.limit:
	case c.closing:
		c.finish(ErrDone)
		return false
	case c.wrote < Piece:
		c.finish(ErrSlow)
		return false
	default: // it takes little by little
		c.limit, c.wrote = now+int64(c.worker.poller.cfg.Timeout), 0
	}
	return c.limit != 0 || c.deadline.Load() != 0
}

// finish closes the connection.
func (c *Conn) finish(err error) {
	c.gone = true
	c.worker.poller.unregister(c)
	_ = syscall.Close(int(c.fd))
	c.rest, c.early = nil, nil
	c.tell(err)
	c.tellClosed()
}

// OnClose has f called when the connection is closed, unless it was released before.
// It is for whoever is told of a new connection, at once.
func (c *Conn) OnClose(f func()) { c.closed = f }

func (c *Conn) tellClosed() {
	if c.closed != nil {
		c.closed()
		c.closed = nil
	}
}

// tell tells the client that it is over, once.
func (c *Conn) tell(err error) {
	if c.client != nil {
		c.client.Closed(err)
		c.client = nil
	}
}
