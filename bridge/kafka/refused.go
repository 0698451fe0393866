package kafka

import (
	"context"
	"math"
	"sync"

	"github.com/IBM/sarama"

	"weft/bridge"
	"weft/jetstream/event"
)

// refused keeps the events that the store will never take, from the pipeline's
// callback, which must not block, until the claim has put them into the
// dead-letter topic. Until then no offset beyond them is committed. The rule
// checks events before, so this is a rare thing.
type refused struct {
	some chan struct{} // holds a token while the list is not empty

	mu    sync.Mutex
	list  []refusedEvent
	floor int64 // the lowest offset that must not be committed past
	top   int64 // the highest mark told
}

type refusedEvent struct {
	event event.Event
	mark  int64
	err   error
}

func newRefused() *refused {
	return &refused{some: make(chan struct{}, 1), floor: math.MaxInt64, top: -1}
}

// add is told of an event; next is the offset that would be committed next.
func (r *refused) add(e refusedEvent, next int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, e)
	r.floor = min(r.floor, next)
	select {
	case r.some <- struct{}{}:
	default:
	}
}

// limit returns how far may be committed when all up to mark is settled.
func (r *refused) limit(mark int64) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.top = max(r.top, mark)
	return min(r.top, r.floor-1)
}

func (r *refused) take() []refusedEvent {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.list
	r.list = nil
	return list
}

// lift allows everything again, unless more has come.
func (r *refused) lift() (mark int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) == 0 {
		r.floor = math.MaxInt64
	}
	return min(r.top, r.floor-1)
}

// refuse is called by the pipeline and must not block.
func (c *claim) refuse(e event.Event, mark int64, err error) {
	c.refused.add(refusedEvent{e, mark, err}, max(c.next.Load(), 0))
}

// bury puts what was refused where records go that cannot be placed. What is
// left of such a record is the event.
func (c *claim) bury(ctx context.Context) error {
	for _, e := range c.refused.take() {
		m := &sarama.ConsumerMessage{Topic: c.topic, Partition: c.partition, Offset: e.mark, Value: e.event.Data}
		if err := c.unplaced(ctx, m, &bridge.Refusal{Cause: bridge.CauseRefused, Err: e.err}); err != nil {
			return err
		}
	}
	c.commit(c.refused.lift())
	return nil
}
