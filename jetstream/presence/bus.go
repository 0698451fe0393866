package presence

import (
	"context"

	"github.com/nats-io/nats.go"
)

// hintsPending is how many hints may wait to be heard; when more come, all counts are
// asked for.
const hintsPending = 1 << 16

// A bus carries hints from node to node.
type bus interface {
	Publish(subject string, data []byte) error
	// Subscribe asks for hints on a subject, until drop is called. They surely come once
	// a later Flush has returned.
	Subscribe(subject string) (drop func(), err error)
	Flush(ctx context.Context) error
	// Run calls heard with each hint, one at a time, until ctx ends. What it is called
	// with is valid until it returns.
	Run(ctx context.Context, heard func(subject string, data []byte))
}

// A natsBus is the connection of a node for hints. It has one channel and one goroutine
// for all its subscriptions.
type natsBus struct {
	conn *nats.Conn
	in   chan *nats.Msg
}

// newNatsBus calls missed when hints may have been lost.
func newNatsBus(conn *nats.Conn, missed func()) *natsBus {
	conn.SetErrorHandler(func(*nats.Conn, *nats.Subscription, error) { missed() })
	conn.SetReconnectHandler(func(*nats.Conn) { missed() })
	return &natsBus{conn: conn, in: make(chan *nats.Msg, hintsPending)}
}

func (b *natsBus) Publish(subject string, data []byte) error { return b.conn.Publish(subject, data) }

func (b *natsBus) Subscribe(subject string) (drop func(), err error) {
	sub, err := b.conn.ChanSubscribe(subject, b.in)
	if err != nil {
		return nil, err
	}
	return func() { _ = sub.Unsubscribe() }, nil // a closed connection has no subscriptions
}

func (b *natsBus) Flush(ctx context.Context) error { return b.conn.FlushWithContext(ctx) }

func (b *natsBus) Run(ctx context.Context, heard func(subject string, data []byte)) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-b.in:
			heard(m.Subject, m.Data)
		}
	}
}
