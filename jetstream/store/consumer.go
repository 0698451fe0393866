package store

import (
	"context"

	js "github.com/nats-io/nats.go/jetstream"

	"weft/jetstream/api"
	"weft/jetstream/event"
)

// A Consumer reads the events' stream with a consumer of its own, in order and without
// gaps until Next fails; see api.Consumer. Stop must be called.
type Consumer struct{ *api.Consumer }

// Consume reads the events' stream until ctx ends. Of cfg, what is read counts.
func (s *Stream) Consume(ctx context.Context, cfg js.ConsumerConfig) (Consumer, error) {
	c, err := api.Consume(ctx, s.params.Client.JS, event.StreamName, cfg)
	return Consumer{c}, err
}

// Next blocks until a message comes; an error is for good. more is how many
// follow at the moment.
func (c Consumer) Next() (s event.Stored, more uint64, err error) {
	m, more, err := c.Consumer.Next()
	if err != nil {
		return event.Stored{}, 0, err
	}
	return event.Stored{Subject: m.Subject, Seq: m.Seq, Header: m.Header, Data: m.Data, StoredAt: m.Time}, more, nil
}
