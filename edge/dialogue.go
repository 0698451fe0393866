package edge

import (
	"io"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/time/rate"

	"weft/edge/session"
	"weft/edge/wire"
)

// A dialogue is what a WebSocket client says and what it is answered, the same
// whoever reads the connection. All that is answered goes through the session's
// queue, in order. alive may be called by anybody, all else is for who reads.
type dialogue struct {
	t     *webSocket
	inbox inbox
	pace  *rate.Limiter // made with the first command
	heard atomic.Int64  // seconds of the wall clock when the client last said something whole
}

// begin must be called before the first use.
func (c *dialogue) begin(t *webSocket) {
	c.t = t
	c.hear()
}

func (c *dialogue) hear() { c.heard.Store(time.Now().Unix()) }

// alive is asked at each keep-alive.
func (c *dialogue) alive() bool {
	return time.Since(time.Unix(c.heard.Load(), 0)) <= c.t.patience()
}

// receive takes what was received and returns the first message that is whole.
func (c *dialogue) receive(received []byte, s *session.Session, q *session.Queue) (d delivery, ok bool) {
	if c.inbox.empty() { // what begins now has all the time
		c.hear()
	}
	c.inbox.add(received)
	return c.advance(s, q)
}

// advance returns the next message; control frames it answers by itself. The answer
// to a close, or to what breaks the protocol, is the last that the client hears.
func (c *dialogue) advance(s *session.Session, q *session.Queue) (d delivery, ok bool) {
	for {
		d, ok, err := c.inbox.next()
		if err != nil {
			c.over(s, q, wire.Close(brokenBy(err)))
			return d, false
		}
		if !ok {
			return d, false
		}
		if !c.inbox.midway() { // a pong must not keep an unfinished message alive
			c.hear()
		}
		switch d.opcode {
		case opPong:
		case opPing:
			if !q.Put(wire.Pong(string(d.payload))) {
				s.End(session.Slow)
			}
		case opClose:
			bye, err := closeAnswer(d.payload)
			if err != nil {
				bye = wire.Close(brokenBy(err))
			}
			c.over(s, q, bye)
			return d, false
		default:
			return d, true
		}
	}
}

// over ends the dialogue with a close frame.
func (c *dialogue) over(s *session.Session, q *session.Queue, bye []byte) {
	q.Finish(bye)
	s.End(session.Left)
	c.inbox.clear()
}

// brokenBy is how a breach is spelt in a close frame.
func brokenBy(err error) (code int, reason string) {
	if b, ok := err.(*breach); ok {
		return b.code, b.reason
	}
	return websocket.CloseInternalServerErr, ""
}

// obey obeys a message and those that have come with it. It reports whether the
// dialogue goes on.
func (c *dialogue) obey(d delivery, s *session.Session, q *session.Queue) bool {
	ctx, cancel := s.Within(c.t.inner)
	defer cancel()
	if c.pace == nil {
		c.pace = rate.NewLimiter(commandRate, commandBurst)
	}
	for ok := true; ok; d, ok = c.advance(s, q) {
		if ctx.Err() != nil || c.pace.Wait(ctx) != nil {
			return false // the end was told; nothing more counts
		}
		if !q.Put(wire.Text(c.t.answer(ctx, s, d))) {
			s.End(session.Slow)
		}
	}
	return true
}

// read reads a connection by a goroutine of its own until it ends. early is what
// came with the handshake. After the session's end nothing counts any more but that
// the client closes.
func (c *dialogue) read(conn io.Reader, early []byte, s *session.Session, q *session.Queue) {
	d, ok := c.receive(early, s, q)
	for {
		if ok && !c.obey(d, s, q) || s.Ended() {
			_, _ = io.Copy(io.Discard, conn)
			return
		}
		begins := c.inbox.empty()
		if c.inbox.read(conn) != nil {
			return
		}
		if begins {
			c.hear()
		}
		d, ok = c.advance(s, q)
	}
}
