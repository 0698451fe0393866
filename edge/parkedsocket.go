package edge

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/time/rate"

	"weft/edge/netpoll"
	"weft/edge/problem"
	"weft/edge/session"
	"weft/edge/wire"
)

// A parkedSocket is a parked WebSocket. What its client says is put together by
// the poller's worker; a goroutine exists only while a command is obeyed, and
// nothing more is read meanwhile.
type parkedSocket struct {
	parked
	t     *webSocket
	inbox inbox
	pace  *rate.Limiter // made with the first command
	heard atomic.Int64  // seconds of the wall clock when the client last said something whole
}

// park serves a visit without a goroutine once its place is known.
func (t *webSocket) park(w http.ResponseWriter, v *visit) {
	p := &parkedSocket{t: t}
	p.prepare(t.Edge, v, t.spelling, t.counts, p.alive)
	if err := t.enter(p.s); err != nil {
		v.release()
		t.refuse(w, v.r, problem.Of(err))
		return
	}
	defer p.drop()
	var h hold
	head, err := shake(w, v.r, func() (err error) {
		h, err = take(w)
		return err
	})
	if err != nil {
		p.Closed(err)
		h.drop()
		return
	}
	p.hear()
	p.head = head
	p.begin(v, h, p)
}

// Receive implements netpoll.Client.
func (p *parkedSocket) Receive(b []byte) netpoll.Verdict {
	if p.s.Ended() {
		return netpoll.Go // nothing counts any more but that the client closes
	}
	if p.inbox.empty() { // what begins now has all the time
		p.hear()
	}
	p.inbox.add(b)
	d, ok := p.advance()
	if !ok {
		return netpoll.Go
	}
	p.holders.Add(1)
	go p.obeyAll(d)
	return netpoll.Pause
}

// advance returns the next message; it answers control frames by itself.
func (p *parkedSocket) advance() (d delivery, ok bool) {
	for {
		d, ok, err := p.inbox.next()
		if err != nil {
			if d.message == nil {
				d.message = wire.Close(websocket.CloseMessageTooBig, "")
			}
			p.q.Finish(d.message)
			p.s.End(session.Left)
			p.inbox.clear()
			return d, false
		}
		if !ok {
			return d, false
		}
		if !p.inbox.midway() { // a pong must not keep an unfinished message alive
			p.hear()
		}
		switch d.control {
		case 0:
			return d, true
		case opPing:
			if !p.q.Put(wire.Pong(string(d.message))) {
				p.s.End(session.Slow)
			}
		case opClose:
			p.s.End(session.Left)
			p.inbox.clear()
			return d, false
		}
	}
}

// obeyAll obeys a command and those that have come with it. The next bytes are
// read when it is done.
func (p *parkedSocket) obeyAll(d delivery) {
	defer p.drop()
	ctx, cancel := p.s.Within(p.edge.inner)
	defer cancel()
	if p.pace == nil {
		p.pace = rate.NewLimiter(commandRate, commandBurst)
	}
	for ok := true; ok; d, ok = p.advance() {
		if ctx.Err() != nil || p.pace.Wait(ctx) != nil {
			return // the end was told; nothing more counts
		}
		if !p.q.Put(wire.Text(p.t.answer(ctx, p.s, d.kind, d.message))) {
			p.s.End(session.Slow)
		}
	}
	if c := p.conn.Load(); c != nil {
		c.Resume()
	}
}

func (p *parkedSocket) hear() { p.heard.Store(time.Now().Unix()) }

// alive is asked at each keep-alive.
func (p *parkedSocket) alive() bool {
	return time.Since(time.Unix(p.heard.Load(), 0)) <= p.t.patience()
}
