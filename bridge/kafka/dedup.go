package kafka

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/IBM/sarama"
)

const (
	// newInARow is how many records must be new before the look-up ends. It is
	// the default window: what was on its way when the last owner stopped.
	newInARow = 1024
	// lookupBatch is how many records are looked up together, lookupBytes how
	// many bytes of values; lookupFlight is how many are under way at once.
	lookupBatch  = 256
	lookupBytes  = 4 << 20
	lookupFlight = 16
)

// A deduplication asks the store for the events of the first records after a claim.
// The last owner may have stored them without committing, longer ago than the
// stream remembers message ids.
type deduplication struct {
	store Store
	want  int // how many in a row
	run   int // how many were new in a row
}

func (d *deduplication) done() bool { return d.run >= d.want }

// count enters one record that was looked up.
func (d *deduplication) count(known bool) {
	if known {
		d.run = 0
	} else {
		d.run++
	}
}

// catchUp settles first and what else is at hand: looked up at once, in order.
func (c *claim) catchUp(ctx context.Context, first *sarama.ConsumerMessage) error {
	tasks := []*task{c.prepare(first)}
	size := len(first.Value)
gather:
	for len(tasks) < lookupBatch && size < lookupBytes {
		select {
		case m, ok := <-c.messages.Messages():
			if !ok {
				break gather // the claim ends after this batch
			}
			size += len(m.Value)
			tasks = append(tasks, c.prepare(m))
		default:
			break gather
		}
	}
	if err := c.lookUp(ctx, tasks); err != nil {
		return err
	}
	for _, t := range tasks {
		if len(t.events) > 0 {
			c.dedup.count(slices.Contains(t.stored, true))
		}
		if err := c.settle(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// lookUp fills in which events are stored. It asks again until the store answers;
// its error is ctx's.
func (c *claim) lookUp(ctx context.Context, tasks []*task) error {
	type lookup struct{ task, event int }
	var lookups []lookup
	for i, t := range tasks {
		t.stored = make([]bool, len(t.events))
		for j := range t.events {
			lookups = append(lookups, lookup{i, j})
		}
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(lookupFlight, len(lookups)) {
		workers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(lookups) {
					return
				}
				t := tasks[lookups[i].task]
				e := &t.events[lookups[i].event]
				for {
					known, err := c.dedup.store.HasID(ctx, e.Subject, e.ID)
					if err == nil {
						t.stored[lookups[i].event] = known
						break
					}
					if ctx.Err() == nil {
						c.limited.Warn("look-up", "cannot look events up in the store; trying on", "err", err)
					}
					if !pause(ctx, storePause) {
						return
					}
				}
			}
		})
	}
	workers.Wait()
	return ctx.Err()
}
