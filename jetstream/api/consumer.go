package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	js "github.com/nats-io/nats.go/jetstream"
)

const (
	// consumerBeat is the time between two signs of life of a consumer that has
	// nothing to bring; it is the shortest that the server allows. When two stay
	// away, the node that held the consumer is gone.
	consumerBeat = 500 * time.Millisecond
	// consumerTry bounds one try to make a consumer, consumerLife how long one is
	// kept that nobody reads any more.
	consumerTry  = time.Second
	consumerLife = 30 * time.Second
)

// errSkipped means that a consumer has left a message out.
var errSkipped = errors.New("the consumer has lost a message")

// A Consumer reads a stream in order and without gaps until Next fails. Then another
// one must be made: the ordered consumer of the client library, which does that by
// itself, waits for up to half a minute before it does, and as long again when nobody
// answers. Stop must be called.
type Consumer struct {
	it      js.MessagesContext
	unhook  func() bool
	read    uint64 // how many messages the consumer has brought
	Pending uint64 // how many messages there were at the start
}

// Consume reads a stream until ctx ends. Of cfg, what is read counts.
func Consume(ctx context.Context, store js.JetStream, stream string, cfg js.ConsumerConfig) (*Consumer, error) {
	try, cancel := context.WithTimeout(ctx, consumerTry)
	defer cancel()
	if len(cfg.FilterSubjects) == 0 {
		cfg.FilterSubjects = []string{">"} // DeliverLastPerSubject insists on one
	}
	cfg.AckPolicy, cfg.MaxDeliver = js.AckNonePolicy, 1
	cfg.MemoryStorage, cfg.Replicas, cfg.InactiveThreshold = true, 1, consumerLife
	c, err := store.CreateConsumer(try, stream, cfg)
	if err != nil {
		return nil, fmt.Errorf("make consumer: %w", err)
	}
	it, err := c.Messages(js.PullHeartbeat(consumerBeat))
	if err != nil {
		return nil, fmt.Errorf("read consumer: %w", err)
	}
	info := c.CachedInfo()
	return &Consumer{it: it, unhook: context.AfterFunc(ctx, it.Stop), Pending: info.NumPending + info.Delivered.Consumer}, nil
}

// Next blocks until a message comes; an error is for good, but for nats.ErrTimeout, with
// js.NextMaxWait. more is how many follow at the moment.
func (c *Consumer) Next(wait ...js.NextOpt) (s *Message, more uint64, err error) {
	m, err := c.it.Next(wait...)
	if err != nil {
		return nil, 0, err
	}
	meta, err := m.Metadata()
	if err != nil {
		return nil, 0, err
	}
	if c.read++; meta.Sequence.Consumer != c.read {
		return nil, 0, errSkipped
	}
	return &Message{Subject: m.Subject(), Seq: meta.Sequence.Stream, Header: m.Headers(), Data: m.Data(),
		Time: meta.Timestamp}, meta.NumPending, nil
}

// Stop ends the reading.
func (c *Consumer) Stop() {
	c.unhook()
	c.it.Stop()
}
