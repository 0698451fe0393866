package transport

import (
	"net/http"

	"weft/edge/frames"
	"weft/edge/netpoll"
)

// A polledSocket is a polled WebSocket. What its client says is put together by
// the poller's worker; a goroutine exists only while a command is obeyed, and
// nothing more is read meanwhile.
type polledSocket struct {
	polledConn
	dialogue
}

// servePolled serves a request without a goroutine once its position is known.
func (t *webSocket) servePolled(w http.ResponseWriter, c *ConnectRequest) error {
	p := &polledSocket{}
	p.dialogue.begin(t)
	if err := p.open(t.Params, c, t.spellings[c.Query.shape], t.counts, p.alive); err != nil {
		return err
	}
	defer p.drop()
	head, err := handshake.Answer(w, c.R)
	if err != nil {
		p.Closed(err)
		return nil
	}
	p.hear()
	p.head = head
	p.polledConn.begin(w, c, p)
	return nil
}

// Receive implements netpoll.Client.
func (p *polledSocket) Receive(b []byte) netpoll.Action {
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
func (p *polledSocket) obeyAll(m frames.Message) {
	defer p.drop()
	if p.obey(m, p.s, p.q) {
		p.resume()
	}
}
