package feed

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	js "github.com/nats-io/nats.go/jetstream"

	"weft/jetstream/api"
	"weft/jetstream/event"
	"weft/jetstream/subject"
)

// A consumer feeds a wildcard: one consumer for all who follow it, which
// also brings the node's ticks, so that its position is known while nothing
// matches. A wildcard never becomes a subscription on the delivery copies:
// it would make every user look online.
//
// A consumer may stand still without an error: an event without a payload that
// has a header Status looks to the client library like a word of the server, and
// in a stream that was made anew it waits for the old position. Ticks
// tell that. What follows is then read as history, and the consumer made anew.
type consumer struct {
	f       *feed
	failing bool // and the log says so
}

// consumerPause is the pause before a consumer is made anew that has failed.
const consumerPause = 100 * time.Millisecond

// run consumes until the feed ends.
func (c *consumer) run(ctx context.Context) {
	f := c.f
	f.mu.Lock()
	f.cursor = f.hub.lowWatermark()
	f.mu.Unlock()
	for ctx.Err() == nil {
		err := c.consume(ctx)
		if ctx.Err() != nil {
			return
		}
		if !errors.Is(err, errBehind) {
			f.hub.metrics.retries.Inc()
			if !c.failing {
				c.failing = true
				f.hub.log.Warn("a wildcard is not being followed; trying again", "subject", f.subject, "err", err)
			}
			api.Sleep(ctx, consumerPause)
		}
		if f.isLive() && !(catchUp{f}).readOn(ctx) {
			return
		}
	}
}

// started makes the feed live, when it is the first time that the consumer is made.
func (c *consumer) started() {
	f := c.f
	c.failing = false
	if f.isLive() {
		return
	}
	f.mu.Lock()
	f.changeLocked(feedLive)
	f.mu.Unlock()
	close(f.opened)
}

// consume hands on what comes after the cursor, until the consumer fails or
// stands still.
func (c *consumer) consume(ctx context.Context) error {
	f := c.f
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f.mu.Lock()
	from := f.cursor + 1
	f.renew = cancel
	f.mu.Unlock()
	limit := uint64(f.hub.store.Limits().MaxPerSubject)
	tick := f.hub.tickOut[len(subject.Out):]
	messages, err := f.hub.store.Consume(ctx, js.ConsumerConfig{
		FilterSubjects: []string{f.subject, tick, tick + ".*"},
		DeliverPolicy:  js.DeliverByStartSequencePolicy, OptStartSeq: from,
	})
	if err != nil {
		return fmt.Errorf("consume %s: %w", f.subject, err)
	}
	defer messages.Stop()
	c.started()
	f.hub.tasks.Go(func() { c.watch(ctx, cancel) })
	checked := from - 1 // the last event that it brought
	for {
		s, _, err := messages.Next()
		if err != nil {
			return fmt.Errorf("consume %s: %w", f.subject, err)
		}
		isTick := strings.HasPrefix(s.Subject, tick)
		if !isTick {
			if s.Seq >= checked+limit && c.overtaken(ctx, s.Subject, f.position()) {
				return errBehind
			}
			checked = s.Seq
		}
		c.take(ctx, &s, isTick)
	}
}

// errBehind means that the limit per subject may have removed messages that the
// consumer has not brought.
var errBehind = errors.New("the consumer is behind")

// overtaken reports whether the limit may have removed messages of a subject
// after a sequence, as the leader sees it. It takes the oldest first, and leaves as
// many as there may be, which have all been stored since. So it must be asked only
// when as many sequences have passed since the event before: of all messages in
// the stream at most one in as many costs a question.
func (c *consumer) overtaken(ctx context.Context, s string, after uint64) (lost bool) {
	f := c.f
	_ = f.hub.retry(ctx, func() error { // when it fails nobody is left to be told
		oldest, err := f.hub.store.Next(ctx, s, 1)
		if err != nil {
			return err
		}
		n := uint64(0)
		if oldest > after {
			n, err = f.hub.store.Count(ctx, s)
		}
		lost = n >= uint64(f.hub.store.Limits().MaxPerSubject)
		return err
	})
	return lost
}

// take takes what a consumption brought that has not been ended.
func (c *consumer) take(ctx context.Context, s *event.Stored, tick bool) {
	f := c.f
	m := newMessage(s, f.hub.streamID())
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case ctx.Err() != nil:
	case m.Seq <= f.cursor:
	case tick:
		f.cursor = m.Seq
		f.reached.Store(m.Seq)
	default:
		f.handLocked(m)
	}
}

// watch ends a consumption that does not come to where the node itself was one
// stallAfter before.
func (c *consumer) watch(ctx context.Context, end func()) {
	f := c.f
	for {
		low := f.hub.lowWatermark()
		api.Sleep(ctx, stallAfter)
		if ctx.Err() != nil {
			return
		}
		if f.reached.Load() < low && f.position() < low && low <= f.hub.lowWatermark() {
			end()
		}
	}
}
