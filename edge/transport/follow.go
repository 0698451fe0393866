package transport

import (
	"context"
	"sync"
	"time"

	"weft/edge/session"
)

const (
	// headWait is how long the head of a response may wait for weft.open, which then
	// goes out with it in one packet.
	headWait = 5 * time.Millisecond
	// followTime bounds how long a connection waits for the store to say where it
	// begins; beyond it the client is told not_ready.
	followTime = 20 * time.Second
)

// follow attaches a session to its subjects. It blocks until the client's position
// is known, the session ends or the store stays away for too long. When that
// takes a moment late is called.
func (p *Params) follow(c *ConnectRequest, s *session.Session, late func()) error {
	defer c.Slot.Release()
	ctx, cancel := context.WithCancel(c.R.Context())
	defer s.AtEnd(cancel)()
	defer startTimeout(late, cancel).stop()
	events, _ := s.Wanted()
	reader, err := p.Follow(ctx, events, c.Query.start(), s.Receiver())
	if err != nil {
		return err
	}
	s.Attach(reader, p.Watch)
	return nil
}

// A connectTimeout comes in two steps, with one timer: of most connections the position
// is known before the first is over.
type connectTimeout struct {
	late   func() // called after headWait
	cancel func() // called followTime later
	mu     sync.Mutex
	timer  *time.Timer
	over   bool
}

func startTimeout(late, cancel func()) *connectTimeout {
	p := &connectTimeout{late: late, cancel: cancel}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(headWait, p.fire)
	return p
}

func (p *connectTimeout) fire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.over:
	case p.late != nil:
		p.late()
		p.late = nil
		p.timer.Reset(followTime)
	default:
		p.cancel()
	}
}

// stop ends the wait, at whatever step. What the timer holds is free at once.
func (p *connectTimeout) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.timer.Stop()
}
