package main

import (
	"context"
	"fmt"
	"time"

	"weft/test/load/crowd"
	"weft/test/load/meter"
)

// stallLimit is how long nothing may arrive before what is missing counts as
// lost.
const stallLimit = 10 * time.Second

// warmUp is how long events flow before they are measured.
const warmUp = time.Second

// A flow is numbered events from a publisher to a crowd, as many in flight as it
// was told: the next is published as soon as one has reached everybody, and not before it is
// its turn, when there is a pace.
type flow struct {
	crowd    *crowd.Crowd
	to       publisher
	pids     []int // of the server's processes
	subjects int   // taken in turn
	topics   int   // above 0: what is of the only subject goes to so many topics in turn
	inFlight int
	size     int           // of a payload, bytes
	every    time.Duration // above 0: the pace at which events are published

	sent      []uint32 // per subject
	published int64
	completed uint32 // with one subject: events that have reached everybody
	buf       []byte
}

// A cost is what a flow cost.
type cost struct {
	Events         int64
	Deliveries     int64
	Elapsed        time.Duration
	Server, Client time.Duration // processor time
	Report         crowd.Report  // of all since the crowd began, but for its latencies
}

// PerDelivery is the server's processor time in microseconds.
func (c cost) PerDelivery() float64 { return microseconds(c.Server, c.Deliveries) }

// PerEvent is the server's processor time in microseconds.
func (c cost) PerEvent() float64 { return microseconds(c.Server, c.Events) }

func microseconds(d time.Duration, n int64) float64 {
	return float64(d) / float64(time.Microsecond) / float64(max(1, n))
}

func (c cost) String() string {
	l := &c.Report.Latency
	return fmt.Sprintf("server %.2f µs, client %.2f µs a delivery; %.0f deliveries/s of %.0f events/s; p50 %v p99 %v p99.9 %v; %s",
		c.PerDelivery(), microseconds(c.Client, c.Deliveries), float64(c.Deliveries)/c.Elapsed.Seconds(),
		float64(c.Events)/c.Elapsed.Seconds(), short(l.Quantile(0.5)), short(l.Quantile(0.99)), short(l.Quantile(0.999)), faults(c.Report))
}

func short(d time.Duration) time.Duration { return d.Round(d/100 + 1).Round(time.Microsecond) }

func faults(r crowd.Report) string {
	if r.Faults() == 0 {
		return "no faults"
	}
	return fmt.Sprintf("LOST %d, DOUBLED %d, OVERTAKEN %d, STRAY %d, DROPPED CONNECTIONS %d",
		r.Lost, r.Doubled, r.Overtaken, r.Stray, r.Dropped)
}

// measure lets events flow for a while unmeasured, then for d.
func (f *flow) measure(ctx context.Context, d time.Duration) (cost, error) {
	if f.inFlight < 1 || f.subjects == 1 && f.inFlight > crowd.MaxInFlight {
		return cost{}, fmt.Errorf("%d events in flight are not between 1 and %d", f.inFlight, crowd.MaxInFlight)
	}
	if f.sent == nil {
		f.sent = make([]uint32, f.subjects)
	}
	if err := f.run(ctx, warmUp); err != nil {
		return cost{}, err
	}
	f.crowd.Begin()
	c := cost{Events: -f.published, Deliveries: -f.crowd.Delivered()}
	server, err := meter.CPU(f.pids...)
	if err != nil {
		return cost{}, err
	}
	client, began := meter.Own(), time.Now()
	if err := f.run(ctx, d); err != nil {
		return cost{}, err
	}
	c.Elapsed, c.Client = time.Since(began), meter.Own()-client
	after, err := meter.CPU(f.pids...)
	if err != nil {
		return cost{}, err
	}
	c.Server = after - server
	c.Events += f.published
	c.Deliveries += f.crowd.Delivered()
	c.Report = f.crowd.Report(func(subject uint32) uint32 { return f.sent[subject] })
	return c, nil
}

// run publishes for d and waits until all has arrived, or no more comes.
func (f *flow) run(ctx context.Context, d time.Duration) error {
	began := time.Now()
	due := time.Duration(0)
	for time.Since(began) < d {
		if f.every > 0 {
			time.Sleep(due - time.Since(began))
			due += f.every
		}
		subject := uint32(f.published % int64(f.subjects))
		f.sent[subject]++
		m := crowd.Mark{Subject: subject, Number: f.sent[subject], Sent: crowd.Now()}
		f.buf = m.Payload(f.buf[:0], f.size)
		if err := f.to.publish(ctx, f.address(subject), f.buf); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		f.published++
		if arrived, err := f.await(ctx, int64(f.inFlight-1)); err != nil || !arrived {
			return err
		}
	}
	_, err := f.await(ctx, 0)
	return err
}

// address is what the publisher is told in place of {i}.
func (f *flow) address(subject uint32) uint32 {
	if f.topics > 0 {
		return uint32(f.published % int64(f.topics))
	}
	return subject
}

// await waits until no more than n events are in flight. It is false when no
// more arrive.
func (f *flow) await(ctx context.Context, n int64) (bool, error) {
	if f.pending() <= n {
		return true, ctx.Err()
	}
	stalled := time.NewTimer(stallLimit)
	defer stalled.Stop()
	for last := f.crowd.Delivered(); f.pending() > n; {
		select {
		case <-f.crowd.Changed():
		case <-stalled.C:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
		if now := f.crowd.Delivered(); now != last {
			last = now
			stalled.Reset(stallLimit)
		}
	}
	return true, nil
}

// pending is how many events have not reached everybody.
func (f *flow) pending() int64 {
	each := int64(f.crowd.Size() / f.subjects) // subscribers of a subject
	if f.subjects > 1 {
		return f.published - f.crowd.Delivered()/each
	}
	for f.completed < f.sent[0] && f.crowd.Arrived(f.completed+1) >= each {
		f.completed++
		f.crowd.Forget(f.completed)
	}
	return int64(f.sent[0] - f.completed)
}
