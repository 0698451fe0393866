package kafka

import (
	"context"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/IBM/sarama"

	"weft/bridge"
	"weft/bridge/cloudevent"
	"weft/jetstream/event"
	"weft/jetstream/store"
)

// refused keeps the events that the store will never take, from the pipeline's
// callback, which must not block, until the claim has put them into the
// dead-letter topic. Until then no offset beyond them is committed. The rule
// checks events before, so this is a rare thing.
type refused struct {
	waiting chan struct{} // holds a token while the list is not empty

	mu   sync.Mutex
	list []refusedEvent
	low  int64 // watermark: the lowest offset that must not be committed past
	high int64 // the highest mark told
	// place is the one that was told with it.
	place store.Place
}

type refusedEvent struct {
	event event.Event
	mark  int64
	err   error
}

func newRefused() *refused {
	return &refused{waiting: make(chan struct{}, 1), low: math.MaxInt64, high: -1}
}

// add is told of an event; next is the offset that would be committed next.
func (r *refused) add(e refusedEvent, next int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, e)
	r.low = min(r.low, next)
	select {
	case r.waiting <- struct{}{}:
	default:
	}
}

// limit returns how far may be committed, and with which place, when all up to mark
// is settled.
func (r *refused) limit(mark int64, place store.Place) (int64, store.Place) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if mark >= r.high {
		r.high, r.place = mark, place
	}
	return min(r.high, r.low-1), r.place
}

// drain returns what waits, and keeps nothing.
func (r *refused) drain() []refusedEvent {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.list
	r.list = nil
	return list
}

// release allows everything again, unless more has come.
func (r *refused) release() (mark int64, place store.Place) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) == 0 {
		r.low = math.MaxInt64
	}
	return min(r.high, r.low-1), r.place
}

// refuse is called by the pipeline and must not block.
func (c *claim) refuse(e event.Event, mark int64, err error) {
	c.refused.add(refusedEvent{e, mark, err}, max(c.position.next.Load(), 0))
}

// recordHeaders are what an event has beside its payload, as a record has it: a CloudEvent
// is one in binary form.
func recordHeaders(e *event.Event) []*sarama.RecordHeader {
	var list []*sarama.RecordHeader
	add := func(name, value string) {
		if attribute, ok := strings.CutPrefix(name, cloudevent.HTTPPrefix); ok {
			name, value = cloudevent.KafkaPrefix+attribute, cloudevent.Decoded(value)
		}
		list = append(list, &sarama.RecordHeader{Key: []byte(name), Value: []byte(value)})
	}
	for _, name := range slices.Sorted(maps.Keys(e.Header)) {
		add(name, e.Header[name])
	}
	if _, ok := e.Header[cloudevent.HTTPPrefix+"id"]; ok {
		add(event.HeaderType, e.Type)
	}
	return list
}

// writeRefused puts what was refused where records go that cannot be placed. What is
// left of such a record is the event.
func (c *claim) writeRefused(ctx context.Context) error {
	for _, e := range c.refused.drain() {
		m := &sarama.ConsumerMessage{Topic: c.topic, Partition: c.partition, Offset: e.mark, Value: e.event.Data, Headers: recordHeaders(&e.event)}
		if err := c.unplaced(ctx, m, &bridge.Refusal{Cause: bridge.CauseRefused, Err: e.err}); err != nil {
			return err
		}
	}
	c.commit(c.refused.release())
	return nil
}
