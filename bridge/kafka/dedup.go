package kafka

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"weft/jetstream/event"
	"weft/jetstream/store"
)

const (
	// newInARow is how many records must be new before the look-up ends. It is
	// the default window: what was on its way when the last owner stopped.
	newInARow = 1024
	// lookupBatch is how many records are looked up together, lookupBytes how
	// many bytes of values; lookupFlight is how many are under way at once, of
	// all claims.
	lookupBatch  = 256
	lookupBytes  = 4 << 20
	lookupFlight = 16
	// lookupTold is how often it is told how far a look-up is.
	lookupTold = 5 * time.Second
)

// A deduplication asks the store for the events of the first records after a claim.
// The last owner may have stored them without committing, longer ago than the
// stream remembers message ids.
type deduplication struct {
	before atomic.Pointer[lookback] // set before the first record
	want   int                      // how many in a row
	run    int                      // how many were new in a row
	// until is the offset up to which records may have been stored before the claim; it
	// falls once, from the greatest number.
	until atomic.Int64

	looked, known int // one by one
	told          time.Time
}

// done reports whether nothing that comes was stored before the claim.
func (d *deduplication) done() bool { return d.until.Load() != math.MaxInt64 }

// count enters one record that was looked up.
func (d *deduplication) count(offset int64, known bool) {
	if known {
		d.run = 0
	} else if d.run++; d.run >= d.want && offset > d.before.Load().last {
		d.end(offset)
	}
}

// end says that no record from an offset on was stored before the claim.
func (d *deduplication) end(from int64) {
	if d.until.CompareAndSwap(math.MaxInt64, from) {
		d.before.Store(&lookback{place: d.before.Load().place}) // the rest is not needed any more
	}
}

// lookBack learns what was stored before the claim; false: ctx has ended.
func (c *claim) lookBack(ctx context.Context) bool {
	before, err := c.lookbacks.of(ctx, c.sess, partition{c.topic, c.partition}, c.from)
	if err != nil {
		return false
	}
	c.dedup.want = max(newInARow, c.opts.Kafka.Window)
	c.dedup.before.Store(before)
	c.dedup.until.Store(math.MaxInt64)
	c.position.begin(c.position.next.Load(), before.place)
	return true
}

// caughtUp is told that the log ended at an offset when the stream had been stored up to a
// place, and that the claim has settled all before it. No record from there on was there to be
// stored by anybody. A broker that does not know yet that it does not lead any more may be
// wrong about the end; so what the store knows exactly must agree, or time have passed.
func (c *claim) caughtUp(end int64, place store.Place) {
	if before := c.dedup.before.Load(); !c.dedup.done() && time.Since(c.begun) < stragglers && !(before.exact() && before.last < end) {
		return
	}
	if c.position.refresh(end, place) {
		c.dedup.end(end)
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
			c.dedup.count(t.record.Offset, slices.Contains(t.stored, true))
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
	for _, t := range tasks {
		t.stored = make([]bool, len(t.events))
	}
	tail := c.dedup.before.Load().tail
	switch {
	case tail != nil:
		for _, t := range tasks {
			for i := range t.events {
				t.stored[i] = tail.Has(t.events[i].Subject, t.events[i].ID)
			}
		}
	case !c.dedup.done():
		return c.lookUpSingly(ctx, tasks)
	}
	return nil
}

// lookUpSingly asks the store for each event, which reads what is stored under its subject.
func (c *claim) lookUpSingly(ctx context.Context, tasks []*task) error {
	type lookup struct{ task, event int }
	var lookups []lookup
	for i, t := range tasks {
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
				known, err := c.hasID(ctx, &t.events[lookups[i].event])
				if err != nil {
					return
				}
				t.stored[lookups[i].event] = known
			}
		})
	}
	workers.Wait()
	c.tellLookups(tasks)
	return ctx.Err()
}

// tellLookups logs how far a look-up is that takes long.
func (c *claim) tellLookups(tasks []*task) {
	d := &c.dedup
	for _, t := range tasks {
		if d.looked++; slices.Contains(t.stored, true) {
			d.known++
		}
	}
	if d.told.IsZero() {
		d.told = c.begun
	}
	if time.Since(d.told) > lookupTold {
		d.told = time.Now()
		c.log.Info("looking records up one by one", "records", d.looked, "known", d.known,
			"offset", tasks[len(tasks)-1].record.Offset, "behind", max(c.messages.HighWaterMarkOffset()-c.seen.Load(), 0))
	}
}

// hasID asks until the store answers; its error is ctx's.
func (c *claim) hasID(ctx context.Context, e *event.Event) (bool, error) {
	return untilAnswered(ctx, c.limited, "look events up in the store", func() (bool, error) { return c.hasIDOnce(ctx, e) })
}

// hasIDOnce takes its turn: all claims together may begin to look up at once.
func (c *claim) hasIDOnce(ctx context.Context, e *event.Event) (bool, error) {
	select {
	case c.lookups <- struct{}{}:
		defer func() { <-c.lookups }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	return c.store.HasID(ctx, e.Subject, e.ID)
}
