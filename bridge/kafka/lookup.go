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
	// many bytes of values; lookupFlight is how many questions are asked at once.
	lookupBatch  = 256
	lookupBytes  = 4 << 20
	lookupFlight = 16
)

// A lookup asks the store for the events of the first records after a claim.
// The last owner may have stored them without committing, longer ago than the
// stream remembers message ids.
type lookup struct {
	store Store
	want  int // how many in a row
	run   int // how many were new in a row
}

func (l *lookup) done() bool { return l.run >= l.want }

// count enters one record that was looked up.
func (l *lookup) count(known bool) {
	if known {
		l.run = 0
	} else {
		l.run++
	}
}

// catchUp takes first and what else is at hand: looked up at once, handed on in
// order.
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
	if err := c.ask(ctx, tasks); err != nil {
		return err
	}
	for _, t := range tasks {
		if len(t.events) > 0 {
			c.lookup.count(slices.Contains(t.stored, true))
		}
		if err := c.take(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// ask fills in which events are stored. It asks again until the store answers;
// its error is ctx's.
func (c *claim) ask(ctx context.Context, tasks []*task) error {
	type question struct{ task, event int }
	var questions []question
	for i, t := range tasks {
		t.stored = make([]bool, len(t.events))
		for j := range t.events {
			questions = append(questions, question{i, j})
		}
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(lookupFlight, len(questions)) {
		workers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(questions) {
					return
				}
				t := tasks[questions[i].task]
				e := &t.events[questions[i].event]
				for {
					known, err := c.lookup.store.HasID(ctx, e.Subject, e.ID)
					if err == nil {
						t.stored[questions[i].event] = known
						break
					}
					if ctx.Err() == nil {
						c.quiet.Warn("look-up", "cannot look events up in the store; trying on", "err", err)
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
