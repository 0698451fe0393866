package jetstream

import (
	"context"
	"fmt"

	js "github.com/nats-io/nats.go/jetstream"
)

// Consume reads the stream with an ordered consumer, which repairs itself. next
// blocks until a message comes and fails for good; stop must be called.
func (n *Node) Consume(ctx context.Context, cfg js.OrderedConsumerConfig) (next func() (Stored, error), stop func(), err error) {
	try, cancel := context.WithTimeout(ctx, publishTry)
	defer cancel()
	c, err := n.js.OrderedConsumer(try, streamEvents, cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("make consumer: %w", err)
	}
	it, err := c.Messages()
	if err != nil {
		return nil, nil, fmt.Errorf("read consumer: %w", err)
	}
	unhook := context.AfterFunc(ctx, it.Stop)
	next = func() (Stored, error) {
		m, err := it.Next()
		if err != nil {
			return Stored{}, err
		}
		meta, err := m.Metadata()
		if err != nil {
			return Stored{}, err
		}
		return Stored{Subject: m.Subject(), Seq: meta.Sequence.Stream, Header: m.Headers(), Data: m.Data()}, nil
	}
	return next, func() { unhook(); it.Stop() }, nil
}
