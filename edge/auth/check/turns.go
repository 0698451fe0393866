package check

import (
	"context"
	"errors"
	"sync"
)

const (
	// share is which part of the questions in flight may be one user's.
	share = 4
	// maxWaiting is how many questions of one user may be in flight or wait.
	maxWaiting = 512
)

var errFull = errors.New("too many questions of one user")

// turns bound how many questions are with the back end, and how many of one user: who asks
// for much waits for themselves, not others for them.
type turns struct {
	all   chan struct{}
	each  int
	mu    sync.Mutex
	users map[string]*queue
}

// A queue is the turns of one user, while there are any.
type queue struct {
	slots chan struct{}
	in    int // who has a turn or waits for one
}

func newTurns(inFlight int) *turns {
	return &turns{all: make(chan struct{}, inFlight), each: max(inFlight/share, 1), users: map[string]*queue{}}
}

// take waits for a turn until ctx ends. over must be called when it is over.
func (t *turns) take(ctx context.Context, user string) (over func(), err error) {
	q := t.enter(user)
	if q == nil {
		return nil, errFull
	}
	select {
	case q.slots <- struct{}{}:
	case <-ctx.Done():
		t.leave(user, q)
		return nil, ctx.Err()
	}
	select {
	case t.all <- struct{}{}:
	case <-ctx.Done():
		<-q.slots
		t.leave(user, q)
		return nil, ctx.Err()
	}
	return func() {
		<-t.all
		<-q.slots
		t.leave(user, q)
	}, nil
}

// enter is nil when too many wait already.
func (t *turns) enter(user string) *queue {
	t.mu.Lock()
	defer t.mu.Unlock()
	q := t.users[user]
	if q == nil {
		q = &queue{slots: make(chan struct{}, t.each)}
		t.users[user] = q
	}
	if q.in >= maxWaiting {
		return nil
	}
	q.in++
	return q
}

func (t *turns) leave(user string, q *queue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q.in--; q.in == 0 {
		delete(t.users, user)
	}
}
