package kafka

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus"

	"weft/bridge"
	"weft/jetstream/event"
	"weft/jetstream/store"
)

const (
	// flushWait is how long a claim that ends waits for what it has sent.
	flushWait = 2 * time.Second
	// storePause is the pause before asking a store again that did not answer.
	storePause = 200 * time.Millisecond
)

// A claim is one partition while this member owns it. All but the callbacks of
// its pipeline runs in one goroutine.
type claim struct {
	*session
	sess      sarama.ConsumerGroupSession
	source    *source
	topic     string
	partition int32
	from      int64 // the committed offset, or sarama.OffsetOldest or OffsetNewest
	messages  sarama.ConsumerGroupClaim
	log       *slog.Logger
	placed    prometheus.Counter
	pipe      Pipeline
	dedup     deduplication
	refused   *refused
	position  position
	begun     time.Time
	// seen is the offset behind the last record that was looked at.
	seen atomic.Int64
	// high is the end of the log when it was last looked at while idle.
	high atomic.Int64
}

func newClaim(s *session, sess sarama.ConsumerGroupSession, messages sarama.ConsumerGroupClaim) *claim {
	c := &claim{session: s, sess: sess, source: s.sources[messages.Topic()], messages: messages,
		topic: messages.Topic(), partition: messages.Partition(), from: messages.InitialOffset(),
		refused: newRefused(), begun: time.Now(), placed: s.metrics.records.WithLabelValues(messages.Topic(), outcomePlaced)}
	c.log = s.log.With("topic", c.topic, "partition", c.partition)
	c.position.begin(max(c.from, -1), store.Place{})
	return c
}

// run works until the partition is taken away or the session ends.
func (c *claim) run(ctx context.Context) {
	c.log.Debug("claimed partition", "offset", c.from)
	defer c.log.Debug("gave partition up")
	if !c.open(ctx) {
		return
	}
	defer func() { _ = c.pipe.Close() }() // after Abandon nothing is left to fail
	defer context.AfterFunc(c.lease.ctx, c.pipe.Abandon)()
	c.beginAtNewest()
	c.beginAtOldest()
	defer c.lookbacks.release(partition{c.topic, c.partition})
	if !c.lookBack(ctx) {
		return
	}
	c.metrics.lag.add(c) // from here on watch looks at it
	defer c.metrics.lag.remove(c)
	c.read(ctx)
	if c.mayFlush(c.sess) {
		flush, cancel := context.WithTimeout(c.lease.ctx, flushWait)
		_ = c.pipe.Flush(flush) // what is not stored is read again by the next owner
		cancel()
	}
	c.pipe.Abandon()
	c.position.mark(c.sess, c.topic, c.partition, true)
}

// open makes the pipeline; the store may need time.
func (c *claim) open(ctx context.Context) bool {
	pipe, err := untilAnswered(ctx, c.limited, "open a pipeline to the store", func() (Pipeline, error) {
		return c.store.NewPipeline(store.PipelineConfig{Window: c.opts.Kafka.Window, Stored: c.stored, Refused: c.refuse})
	})
	c.pipe = pipe
	return err == nil
}

// beginAtNewest commits where a source begins that has no committed offset and
// starts at the newest record. Otherwise what comes while Weft is down would be
// older than newest at the next start.
func (c *claim) beginAtNewest() {
	if c.from != sarama.OffsetNewest {
		return
	}
	if newest, err := c.client.GetOffset(c.topic, c.partition, sarama.OffsetNewest); err == nil {
		c.from = newest
		c.sess.MarkOffset(c.topic, c.partition, newest, "")
		c.position.begin(newest, store.Place{})
	}
}

// read is the claim's loop.
func (c *claim) read(ctx context.Context) {
	for first := true; ; {
		select {
		case <-ctx.Done():
			return
		case <-c.refused.waiting:
			if c.writeRefused(ctx) != nil {
				return
			}
		case m, ok := <-c.messages.Messages():
			if !ok || !c.lease.valid() {
				return
			}
			if first && m.Offset < c.from { // it came between two questions for the newest
				c.sess.ResetOffset(c.topic, c.partition, m.Offset, "")
			}
			first = false
			var err error
			if c.dedup.done() {
				err = c.settle(ctx, c.prepare(m))
			} else {
				err = c.catchUp(ctx, m)
			}
			if err != nil {
				return
			}
		}
	}
}

// A task is a record and what is to be done with it.
type task struct {
	record *sarama.ConsumerMessage
	events []event.Event
	err    error  // why there are no events: bridge.ErrTombstone, errExpired or a *bridge.Refusal
	stored []bool // by position in events, when they were looked up; nil: they were not
}

// errExpired is the error of a record older than events.max_age.
var errExpired = errors.New("expired")

// prepare applies the rule.
func (c *claim) prepare(m *sarama.ConsumerMessage) *task {
	c.seen.Store(m.Offset + 1)
	t := &task{record: m}
	if c.opts.MaxAge > 0 && m.Timestamp.UnixMilli() > 0 && time.Since(m.Timestamp) > c.opts.MaxAge {
		t.err = errExpired
		return t
	}
	rec := bridge.Record{Key: m.Key, Value: m.Value}
	if len(m.Headers) > 0 {
		rec.Headers = make([]bridge.Header, len(m.Headers))
		for i, h := range m.Headers {
			rec.Headers[i] = bridge.Header{Name: string(h.Key), Value: h.Value}
		}
	}
	t.events, t.err = c.source.rule.Events(&rec)
	for i := range t.events {
		t.events[i].Source = event.SourceKafka
		if m.Timestamp.UnixMilli() > 0 {
			t.events[i].Made = m.Timestamp
		}
		t.events[i].ID = event.RecordID(c.opts.Kafka.Name, c.topic, c.partition, m.Offset)
	}
	return t
}

// settle does with a record what is to be done. Its error means that the claim is over.
func (c *claim) settle(ctx context.Context, t *task) error {
	var outcome string
	var refusal *bridge.Refusal
	switch {
	case errors.Is(t.err, bridge.ErrTombstone):
		outcome = outcomeTombstone
	case errors.Is(t.err, errExpired):
		outcome = outcomeExpired
	case errors.As(t.err, &refusal):
		outcome = outcomeUnplaced
		if err := c.unplaced(ctx, t.record, refusal); err != nil {
			return err
		}
	case t.allStored():
		outcome = outcomeKnown
	default:
		if err := c.put(ctx, t); err != nil {
			return err
		}
		c.placed.Inc()
		return nil
	}
	c.metrics.records.WithLabelValues(c.topic, outcome).Inc()
	return c.pipe.Mark(ctx, t.record.Offset)
}

func (t *task) allStored() bool {
	return len(t.stored) > 0 && !slices.Contains(t.stored, false)
}

// put hands on those events of a record that are not stored.
func (c *claim) put(ctx context.Context, t *task) error {
	last := len(t.events) - 1
	for t.stored != nil && t.stored[last] {
		last--
	}
	for i, e := range t.events[:last+1] {
		if t.stored != nil && t.stored[i] {
			continue
		}
		mark := int64(-1)
		if i == last {
			mark = t.record.Offset
		}
		if !c.lease.valid() {
			return errSessionLost
		}
		if err := c.pipe.Put(ctx, e, mark); err != nil {
			return err
		}
	}
	return nil
}

// stored is called by the pipeline and must not block.
func (c *claim) stored(mark int64, place store.Place) {
	if mark < c.dedup.until.Load() {
		place = c.dedup.before.Load().place
	}
	c.commit(c.refused.limit(mark, place))
}

// commit settles everything up to and with an offset.
func (c *claim) commit(settled int64, place store.Place) { c.position.advance(settled+1, place) }

// behind is how many records are not settled; those of an open transaction count.
func (c *claim) behind() (int64, bool) {
	high, next := max(c.messages.HighWaterMarkOffset(), c.high.Load()), c.position.next.Load()
	if next < 0 || high < next {
		return 0, next >= 0
	}
	return high - next, true
}
