package edge

import (
	"net/http"

	"weft/edge/frames"
	"weft/edge/netpoll"
)

// A parkedSocket is a parked WebSocket. What its client says is put together by
// the poller's worker; a goroutine exists only while a command is obeyed, and
// nothing more is read meanwhile.
type parkedSocket struct {
	parked
	dialogue
}

// park serves a visit without a goroutine once its place is known.
func (t *webSocket) park(w http.ResponseWriter, v *visit) error {
	p := &parkedSocket{}
	p.dialogue.begin(t)
	if err := p.open(t.Edge, v, t.spelling, t.counts, p.alive); err != nil {
		return err
	}
	defer p.drop()
	head, err := handshake.Answer(w, v.r)
	if err != nil {
		p.Closed(err)
		return nil
	}
	p.hear()
	p.head = head
	p.parked.begin(w, v, p)
	return nil
}

// Receive implements netpoll.Client.
func (p *parkedSocket) Receive(b []byte) netpoll.Action {
	if p.s.Ended() {
		return netpoll.Go // nothing counts any more but that the client closes
	}
	m, ok := p.receive(b, p.s, p.q)
	if !ok {
		return netpoll.Go
	}
	p.holders.Add(1)
	go p.obeyAll(m)
	return netpoll.Pause
}

// obeyAll obeys a command and those that have come with it. The next bytes are
// read when it is done.
func (p *parkedSocket) obeyAll(m frames.Message) {
	defer p.drop()
	if !p.obey(m, p.s, p.q) {
		return
	}
	if c := p.conn.Load(); c != nil {
		c.Resume()
	}
}
