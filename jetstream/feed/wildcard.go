package feed

import (
	"fmt"
	"time"

	js "github.com/nats-io/nats.go/jetstream"
)

// consume feeds a wildcard: one ordered consumer for all who follow it, which
// also brings the node's ticks, so that its position is known while nothing
// matches. A wildcard never becomes a subscription on the delivery copies:
// it would make every user look online.
func (f *feed) consume() {
	first := true
	for f.ctx.Err() == nil {
		from := f.position()
		if first {
			from = f.hub.safe()
			f.mu.Lock()
			f.cursor = from
			f.mu.Unlock()
		}
		err := f.consumeFrom(from+1, func() {
			if first {
				first = false
				f.mu.Lock()
				f.live = true
				f.mu.Unlock()
				close(f.opened)
			}
		})
		if f.ctx.Err() != nil {
			return
		}
		f.hub.metrics.retries.Inc()
		f.hub.log.Warn("a wildcard is not being followed; trying again", "subject", f.subject, "err", err)
		pause(f.ctx, time.Second)
	}
}

// consumeFrom hands on what comes from a sequence on, until the consumer fails.
func (f *feed) consumeFrom(from uint64, started func()) error {
	tick := f.hub.tickOut[len("out."):]
	c, err := f.hub.node.Consume(f.ctx, js.OrderedConsumerConfig{
		FilterSubjects: []string{f.subject, tick, tick + ".*"},
		DeliverPolicy:  js.DeliverByStartSequencePolicy, OptStartSeq: from,
	})
	if err != nil {
		return fmt.Errorf("consume %s: %w", f.subject, err)
	}
	defer c.Stop()
	started()
	for {
		s, _, err := c.Next()
		if err != nil {
			return fmt.Errorf("consume %s: %w", f.subject, err)
		}
		if len(s.Subject) >= len(tick) && s.Subject[:len(tick)] == tick {
			f.mu.Lock()
			f.cursor = max(f.cursor, s.Seq)
			f.mu.Unlock()
			f.reached.Store(s.Seq)
			continue
		}
		m := newMessage(&s, f.hub.node.StreamID())
		f.mu.Lock()
		if m.Seq > f.cursor {
			f.handLocked(m)
		}
		f.mu.Unlock()
	}
}
