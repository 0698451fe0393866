package jetstream

import (
	"context"
	"fmt"

	js "github.com/nats-io/nats.go/jetstream"
)

// A Consumption reads a stream with an ordered consumer, which repairs itself.
// Stop must be called.
type Consumption struct {
	it      js.MessagesContext
	unhook  func() bool
	Pending uint64 // how many messages there were at the start
}

// Consume reads the events' stream until ctx ends.
func (n *Node) Consume(ctx context.Context, cfg js.OrderedConsumerConfig) (*Consumption, error) {
	return consume(ctx, n.js, streamEvents, cfg)
}

func consume(ctx context.Context, store js.JetStream, stream string, cfg js.OrderedConsumerConfig) (*Consumption, error) {
	try, cancel := context.WithTimeout(ctx, publishTry)
	defer cancel()
	c, err := store.OrderedConsumer(try, stream, cfg)
	if err != nil {
		return nil, fmt.Errorf("make consumer: %w", err)
	}
	info, err := c.Info(try)
	if err != nil {
		return nil, fmt.Errorf("make consumer: %w", err)
	}
	it, err := c.Messages()
	if err != nil {
		return nil, fmt.Errorf("read consumer: %w", err)
	}
	return &Consumption{it: it, unhook: context.AfterFunc(ctx, it.Stop), Pending: info.NumPending}, nil
}

// Next blocks until a message comes; an error is for good. more is how many
// follow at the moment.
func (c *Consumption) Next() (s Stored, more uint64, err error) {
	m, err := c.it.Next()
	if err != nil {
		return Stored{}, 0, err
	}
	meta, err := m.Metadata()
	if err != nil {
		return Stored{}, 0, err
	}
	return Stored{Subject: m.Subject(), Seq: meta.Sequence.Stream, Header: m.Headers(), Data: m.Data(),
		stored: meta.Timestamp}, meta.NumPending, nil
}

// Stop ends the reading.
func (c *Consumption) Stop() {
	c.unhook()
	c.it.Stop()
}
