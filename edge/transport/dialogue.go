package transport

import (
	"io"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"weft/edge/frames"
	"weft/edge/session"
	"weft/edge/wire"
)

// A dialogue is what a WebSocket client says and what it is answered, the same
// whoever reads the connection. All that is answered goes through the session's
// queue, in order. alive may be called by anybody, all else is for who reads.
type dialogue struct {
	t      *webSocket
	frames frames.Reader
	pace   *rate.Limiter // made with the first command
	heard  atomic.Int64  // seconds of the wall clock when the client last said something whole
}

// begin must be called before the first use.
func (c *dialogue) begin(t *webSocket) {
	c.t, c.frames.Limit = t, MaxMessage
	c.hear()
}

func (c *dialogue) hear() { c.heard.Store(time.Now().Unix()) }

// alive is asked at each keep-alive.
func (c *dialogue) alive() bool {
	return time.Since(time.Unix(c.heard.Load(), 0)) <= c.t.longestSilence()
}

// receive takes what was received and returns the first message that is whole.
func (c *dialogue) receive(received []byte, s *session.Session, q *session.Queue) (m frames.Message, ok bool) {
	if c.frames.Empty() { // what begins now has all the time
		c.hear()
	}
	c.frames.Add(received)
	return c.advance(s, q)
}

// advance returns the next message; control frames it answers by itself. The answer
// to a close, or to what breaks the protocol, is the last that the client hears.
func (c *dialogue) advance(s *session.Session, q *session.Queue) (m frames.Message, ok bool) {
	for {
		m, ok, err := c.frames.Next()
		if err != nil {
			c.over(s, q, wire.Close(frames.CloseFor(err)))
			return m, false
		}
		if !ok {
			return m, false
		}
		if !c.frames.Midway() { // a pong must not keep an unfinished message alive
			c.hear()
		}
		switch m.Opcode {
		case frames.Pong:
		case frames.Ping:
			if !q.Put(wire.Pong(string(m.Payload))) {
				s.End(session.Slow)
			}
		case frames.Close:
			code, reason := frames.CloseAnswer(m.Payload)
			c.over(s, q, wire.Close(code, reason))
			return m, false
		default:
			return m, true
		}
	}
}

// over ends the dialogue with a close frame.
func (c *dialogue) over(s *session.Session, q *session.Queue, bye []byte) {
	q.Finish(bye)
	s.End(session.Left)
	c.frames.Clear()
}

// obey obeys a message and those that have come with it. It reports whether the
// dialogue goes on.
func (c *dialogue) obey(m frames.Message, s *session.Session, q *session.Queue) bool {
	ctx, cancel := s.Within(c.t.Serving)
	defer cancel()
	if c.pace == nil {
		c.pace = rate.NewLimiter(commandRate, commandBurst)
	}
	for ok := true; ok; m, ok = c.advance(s, q) {
		if ctx.Err() != nil || c.pace.Wait(ctx) != nil {
			return false // the end was told; nothing more counts
		}
		reply, err := c.t.answer(ctx, s, m)
		if !q.Put(wire.Text(reply)) {
			s.End(session.Slow)
		}
		session.EndAfter(s, err)
	}
	return true
}

// read reads a connection by a goroutine of its own until it ends. early is what
// came with the handshake. After the session's end nothing counts any more but that
// the client closes.
func (c *dialogue) read(conn io.Reader, early []byte, s *session.Session, q *session.Queue) {
	m, ok := c.receive(early, s, q)
	for {
		if ok && !c.obey(m, s, q) || s.Ended() {
			_, _ = io.Copy(io.Discard, conn)
			return
		}
		begins := c.frames.Empty()
		if c.frames.Read(conn) != nil {
			return
		}
		if begins {
			c.hear()
		}
		m, ok = c.advance(s, q)
	}
}
