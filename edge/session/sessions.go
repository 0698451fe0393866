package session

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"weft/edge/auth"
)

// Params are what the Sessions of a node need of it. All are needed; none may block.
type Params struct {
	// Keepalive is the time between two keep-alives of a session.
	Keepalive time.Duration
	// WarnBefore is how long before the end of its token a session is told; 0: never.
	WarnBefore time.Duration
	// Revoked refuses an identity that was revoked.
	Revoked func(id *auth.Identity) error
	// Draining refuses everybody while the node drains.
	Draining func() error
	// Opened and Closed are told of each session, after it can be found and when it
	// cannot be found any more.
	Opened, Closed func(s *Session)
}

// Sessions are the open sessions of a node: where they are found, told the time and
// counted. It is safe for concurrent use.
type Sessions struct {
	params   Params
	registry *Registry
	wheel    *Wheel
	open     sync.WaitGroup // opened and not closed
}

// NewSessions makes the sessions of a node, of which there are none.
func NewSessions(p Params) *Sessions {
	return &Sessions{params: p, registry: NewRegistry(), wheel: NewWheel(p.Keepalive, p.WarnBefore)}
}

// Registry finds sessions.
func (t *Sessions) Registry() *Registry { return t.registry }

// Run tells sessions the time until ctx ends.
func (t *Sessions) Run(ctx context.Context) { t.wheel.Run(ctx) }

// Open makes a session known, which must be closed then. What could have cut it
// meanwhile is asked again once it can be found, so that nothing falls between. After
// an error, which is a problem, there is no session, and it has been released.
func (t *Sessions) Open(c Config) (*Session, error) {
	s := New(c)
	t.open.Add(1)
	t.registry.Add(s)
	err := t.params.Revoked(s.Identity())
	if err == nil {
		err = t.params.Draining()
	}
	if err != nil {
		t.registry.Remove(s)
		s.release()
		t.open.Done()
		return nil, err
	}
	t.wheel.Add(s)
	t.params.Opened(s)
	return s, nil
}

// Close forgets a session that was opened; it must be called once.
func (t *Sessions) Close(s *Session) {
	defer t.open.Done()
	s.End(Left)
	s.Detach()
	t.wheel.Remove(s)
	t.registry.Remove(s)
	t.params.Closed(s)
	s.release()
}

// Rekey brings a refreshed token of a session into force. The blacklist is asked again
// once the session can be found by the new token, so that no entry falls between; of one
// that was revoked the error is a Final.
func (t *Sessions) Rekey(s *Session, id *auth.Identity) error {
	if !t.registry.Rekey(s, id) {
		return errEnded
	}
	t.wheel.Moved(s)
	if err := t.params.Revoked(id); err != nil {
		return &Final{err, Revoked}
	}
	return nil
}

// Hold makes Wait wait for something that outlives its session, until it is let go.
func (t *Sessions) Hold() (let func()) {
	t.open.Add(1)
	return t.open.Done
}

// Wait returns when all sessions are closed.
func (t *Sessions) Wait() { t.open.Wait() }

// EndAll ends all sessions.
func (t *Sessions) EndAll(c Cause) {
	for _, s := range t.registry.All() {
		s.End(c)
	}
}

// Dismiss ends all sessions one after the other over a window, in no order, for as
// long as the reason holds and ctx does not end.
func (t *Sessions) Dismiss(ctx context.Context, c Cause, window time.Duration, holds func() bool) {
	open := t.registry.All()
	rand.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
	start := time.Now()
	for i, s := range open {
		at := start.Add(window * time.Duration(i) / time.Duration(len(open)))
		if sleepUntil(ctx, at) != nil || !holds() {
			return
		}
		s.End(c)
	}
}

// sleepUntil returns at a time, or with an error when ctx ends before.
func sleepUntil(ctx context.Context, at time.Time) error {
	d := time.Until(at)
	if d < time.Millisecond {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
