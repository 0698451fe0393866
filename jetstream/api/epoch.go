package jetstream

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"
)

// A new leader of the events' stream says so to all nodes (ADR-7 of NATS calls
// it an advisory).
const leaderElected = "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED." + streamEvents

// leadership tells those who wait for the leader of the events' stream that
// another one leads: what was asked of the one before may stay unanswered, and
// what it has stored without passing it on must be read.
type leadership struct {
	mu   sync.Mutex
	term context.Context // ends with the leader's time
	end  context.CancelFunc
}

// errLedByAnother is the cause with which a term ends.
var errLedByAnother = errors.New("another node leads the stream")

func newLeadership() *leadership {
	l := &leadership{}
	l.term, l.end = newTerm()
	return l
}

func newTerm() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	return ctx, func() { cancel(errLedByAnother) }
}

// current is a context that ends when another node leads.
func (l *leadership) current() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.term
}

// change ends the term.
func (l *leadership) change() {
	l.mu.Lock()
	end := l.end
	l.term, l.end = newTerm()
	l.mu.Unlock()
	end()
}

// Term returns a context that ends as soon as this node hears that another one
// leads the events' stream. It may not hear of it; who must know asks State.
func (n *Node) Term() context.Context { return n.leader.current() }

// watchLeader begins to listen for new leaders. On a standalone node there are
// none.
func (n *Node) watchLeader() error {
	if n.cfg.Cluster == nil {
		return nil
	}
	_, err := n.conn.Subscribe(leaderElected, func(*nats.Msg) { n.leader.change() })
	if err != nil {
		return fmt.Errorf("watch for leaders of the stream: %w", err)
	}
	return nil
}

// whileLed calls ask, and calls it again when it failed because another node
// began to lead meanwhile.
func whileLed[T any](ctx context.Context, n *Node, ask func(context.Context) (T, error)) (T, error) {
	for {
		term := n.Term()
		try, cancel := context.WithCancel(ctx)
		stop := context.AfterFunc(term, cancel)
		answer, err := ask(try)
		stop()
		cancel()
		if err == nil || term.Err() == nil || ctx.Err() != nil {
			return answer, err
		}
	}
}
