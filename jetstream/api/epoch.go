package api

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"
)

// leaderElected begins the subject on which a new leader of a stream says so to all
// nodes (an advisory, ADR-7 of NATS).
const leaderElected = "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED."

// A Leadership tells those who wait for a stream's leader that another one leads:
// what was asked of the one before may stay unanswered, and what it has stored
// without passing it on must be read. It may not hear of a change; who must know
// asks for the stream's state. Its methods may be called concurrently.
type Leadership struct {
	mu    sync.Mutex
	epoch context.Context // ends with the leader's time
	end   context.CancelFunc
}

// ErrLedByAnother is the cause with which a leader's epoch ends.
var ErrLedByAnother = errors.New("another node leads the stream")

// NewLeadership begins with a first epoch.
func NewLeadership() *Leadership {
	l := &Leadership{}
	l.epoch, l.end = newEpoch()
	return l
}

func newEpoch() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	return ctx, func() { cancel(ErrLedByAnother) }
}

// Epoch returns a context that ends as soon as it is heard that another node leads.
func (l *Leadership) Epoch() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epoch
}

// Change ends the epoch: another node leads.
func (l *Leadership) Change() {
	l.mu.Lock()
	end := l.end
	l.epoch, l.end = newEpoch()
	l.mu.Unlock()
	end()
}

// Watch begins to listen for new leaders of a stream.
func (l *Leadership) Watch(conn *nats.Conn, stream string) error {
	if _, err := conn.Subscribe(leaderElected+stream, func(*nats.Msg) { l.Change() }); err != nil {
		return fmt.Errorf("watch for leaders of the stream: %w", err)
	}
	return nil
}

// WhileLed calls ask, and calls it again when it failed because another node
// began to lead meanwhile.
func WhileLed[T any](ctx context.Context, l *Leadership, ask func(context.Context) (T, error)) (T, error) {
	for {
		epoch := l.Epoch()
		try, cancel := context.WithCancel(ctx)
		stop := context.AfterFunc(epoch, cancel)
		answer, err := ask(try)
		stop()
		cancel()
		if err == nil || epoch.Err() == nil || ctx.Err() != nil {
			return answer, err
		}
	}
}
