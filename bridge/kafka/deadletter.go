package kafka

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"weft/bridge"
)

// Headers of a dead letter, beside those of the record, whose key and value it
// keeps.
const (
	headerCause     = "weft-cause"
	headerError     = "weft-error"
	headerTopic     = "weft-topic"
	headerPartition = "weft-partition"
	headerOffset    = "weft-offset"
)

// absentFor is how long a dead-letter topic may be missing before its records
// are given up: a broker that makes topics by itself needs a moment.
const absentFor = time.Minute

// unplaced does with a record that cannot be placed what its source says. It
// blocks while the dead-letter topic is away; its error means that the claim is
// over.
func (c *claim) unplaced(ctx context.Context, m *sarama.ConsumerMessage, why *bridge.Refusal) error {
	if topic := c.source.DeadLetter; topic != "" {
		err := c.dead.write(ctx, topic, m, why)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			c.limited.Warn("dead letter "+topic, "the dead-letter topic refuses a record", "topic", topic,
				"partition", m.Partition, "offset", m.Offset, "err", err)
		}
	}
	c.metrics.unplaced.WithLabelValues(c.topic, string(why.Cause)).Inc()
	c.limited.Warn(c.topic+" "+string(why.Cause), "cannot place a record", "topic", c.topic, "partition", m.Partition,
		"offset", m.Offset, "cause", string(why.Cause), "err", why.Err, "dead_letter", c.source.DeadLetter)
	return nil
}

// deadLetters writes to dead-letter topics. Its producer is made when the first
// letter comes. write may be called concurrently.
type deadLetters struct {
	*Consumer
	now func() time.Time

	mu        sync.Mutex
	client    sarama.Client
	producer  sarama.AsyncProducer
	responses sync.WaitGroup
	absent    map[string]time.Time // since when a topic has been missing
}

func newDeadLetters(c *Consumer) *deadLetters {
	return &deadLetters{Consumer: c, now: time.Now, absent: map[string]time.Time{}}
}

// write returns nil when topic has the letter, and an error when it will never
// take it, or when ctx has ended. In between it tries.
func (d *deadLetters) write(ctx context.Context, topic string, m *sarama.ConsumerMessage, why *bridge.Refusal) error {
	for tries := newBackoff(retryFirst, retryMost); ; {
		err := d.try(ctx, letter(topic, m, why))
		switch {
		case err == nil:
			d.found(topic)
			d.metrics.letters.WithLabelValues(topic, letterWritten).Inc()
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case d.final(topic, err):
			d.metrics.letters.WithLabelValues(topic, letterRefused).Inc()
			return err
		}
		d.limited.Warn("dead letter away "+topic, "the dead-letter topic is away; the partition waits", "dead_letter", topic, "err", err)
		if !tries.wait(ctx, 0) {
			return ctx.Err()
		}
	}
}

func letter(topic string, m *sarama.ConsumerMessage, why *bridge.Refusal) *sarama.ProducerMessage {
	p := &sarama.ProducerMessage{Topic: topic}
	if m.Key != nil {
		p.Key = sarama.ByteEncoder(m.Key)
	}
	if m.Value != nil {
		p.Value = sarama.ByteEncoder(m.Value)
	}
	for _, h := range m.Headers {
		p.Headers = append(p.Headers, *h)
	}
	for _, h := range [][2]string{
		{headerCause, string(why.Cause)}, {headerError, why.Err.Error()}, {headerTopic, m.Topic},
		{headerPartition, strconv.Itoa(int(m.Partition))}, {headerOffset, strconv.FormatInt(m.Offset, 10)},
	} {
		p.Headers = append(p.Headers, sarama.RecordHeader{Key: []byte(h[0]), Value: []byte(h[1])})
	}
	return p
}

// try sends one letter once.
func (d *deadLetters) try(ctx context.Context, p *sarama.ProducerMessage) error {
	producer, err := d.open(ctx)
	if err != nil {
		return err
	}
	response := make(chan error, 1)
	p.Metadata = response
	select {
	case producer.Input() <- p:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-response:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *deadLetters) open(ctx context.Context) (sarama.AsyncProducer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.producer != nil {
		return d.producer, nil
	}
	client, err := connect(ctx, d.opts.Kafka.Brokers, deadLetterConfig(&d.opts.Kafka, d.tls))
	if err != nil {
		return nil, err
	}
	producer, err := sarama.NewAsyncProducerFromClient(client)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	d.client, d.producer = client, producer
	d.responses.Go(func() {
		for p := range producer.Successes() {
			p.Metadata.(chan error) <- nil
		}
	})
	d.responses.Go(func() {
		for e := range producer.Errors() {
			e.Msg.Metadata.(chan error) <- e.Err
		}
	})
	return producer, nil
}

// final reports whether another try is in vain.
func (d *deadLetters) final(topic string, err error) bool {
	for _, never := range []error{sarama.ErrMessageSizeTooLarge, sarama.ErrTopicAuthorizationFailed, sarama.ErrInvalidTopic,
		sarama.ErrInvalidRecord, sarama.ErrPolicyViolation, sarama.ErrInvalidMessageSize} {
		if errors.Is(err, never) {
			return true
		}
	}
	if !errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	since, known := d.absent[topic]
	if !known {
		d.absent[topic] = d.now()
		return false
	}
	return d.now().Sub(since) >= absentFor
}

func (d *deadLetters) found(topic string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.absent, topic)
}

// close ends the producer. No claim runs any more, so that nobody waits for a
// letter that is still on its way.
func (d *deadLetters) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.producer == nil {
		return
	}
	d.producer.AsyncClose()
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.responses.Wait()
	}()
	select {
	case <-done:
	case <-time.After(leaveWait):
	}
	_ = d.client.Close() // the letters that matter have been answered
	d.producer, d.client = nil, nil
}
