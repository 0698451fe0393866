package fault

import (
	"context"
	"fmt"
	"strings"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/follow"
)

const (
	// catchUp bounds how long devices may take to see the last of what was accepted.
	catchUp = 60 * time.Second
	// before and after are how long the load runs undisturbed around a fault.
	before, after = time.Second, time.Second
)

// A Round is one fault and what it did to the load.
type Round struct {
	Fault    string
	Began    time.Time
	Took     time.Duration // from the fault until all nodes were ready again
	Accepted int           // events
	Refused  int           // tries of publishers that were not answered with success
	follow.Tally
	// Silence is the longest one on a connection that lived through it, for events
	// from NATS and HTTP and for those from Kafka: the gap between two events of a
	// busy user, or the time from the acknowledgement of a quiet one's until it came.
	Silence, KafkaSilence time.Duration
	// Absence is the longest time that a device tried to come back, counted from when
	// the gateway had asked it to.
	Absence time.Duration
	// Where those were.
	silent, kafkaSilent, absent string
	// Elected is what was elected from the fault until all copies followed again, Calm the
	// time before and after that.
	Elected Elections
	Calm    Calm
	// Faults say what must not have happened, in detail.
	Faults []string
	// Odd says what else is worth an explanation.
	Odd []string
}

// Play does one fault while the load runs, waits until all is well again and counts.
func (c *Cluster) Play(ctx context.Context, f Fault) (*Round, error) {
	r := &Round{Fault: f.Name, Began: time.Now(), Elected: Elections{}}
	if err := waitfor.Time(ctx, before); err != nil {
		return nil, err
	}
	if err := c.enterElections(ctx, r, c.settled); err != nil {
		return nil, err
	}
	c.Log("%s: begins", f.Name)
	began := time.Now()
	if err := f.Apply(ctx, c); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	c.Log("%s: applied and mended", f.Name)
	if err := c.AwaitReady(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	r.Took = time.Since(began)
	if atLength() { // what the next fault meets is no leftover of this one
		if err := c.awaitCopies(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	c.settled = atLength() || f.Calm && c.settled
	if err := c.enterElections(ctx, r, f.Calm && c.settled); err != nil {
		return nil, err
	}
	if err := waitfor.Time(ctx, after); err != nil {
		return nil, err
	}
	if err := c.count(ctx, r); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	if err := c.enterElections(ctx, r, c.settled); err != nil {
		return nil, err
	}
	c.Log("%s: all nodes ready after %v; %d events, %d lost, %d doubled, %d reordered, %d resets",
		f.Name, r.Took.Round(time.Millisecond), r.Accepted, r.Lost, r.Doubled, r.Reordered, r.Resets)
	c.Log("  silence %v: %s", r.Silence.Round(time.Millisecond), r.silent)
	c.Log("  from Kafka %v: %s", r.KafkaSilence.Round(time.Millisecond), r.kafkaSilent)
	c.Log("  absence %v: %s", r.Absence.Round(time.Millisecond), r.absent)
	c.Log("  elections: %v; in calm time: %v", r.Elected, r.Calm.Elected)
	return r, nil
}

// enterElections books what was elected since it was called before.
func (c *Cluster) enterElections(ctx context.Context, r *Round, calm bool) error {
	passed, err := c.elections.next(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", r.Fault, err)
	}
	if calm {
		r.Calm.add(passed)
		if passed.Elected.sum() > 0 {
			r.Odd = append(r.Odd, fmt.Sprintf("elections without a fault, between %s and %s: %v", clock(c.elections.at.Add(-passed.For)), clock(c.elections.at), passed.Elected))
		}
		return nil
	}
	r.Elected.add(passed.Elected)
	return nil
}

// count holds the load, waits until every device has the last event that was accepted,
// and compares.
func (c *Cluster) count(ctx context.Context, r *Round) error {
	ctx, cancel := context.WithTimeout(ctx, 2*catchUp)
	defer cancel()
	if err := c.Load.Hold(ctx); err != nil {
		return err
	}
	defer c.Load.Resume()
	accepted, err := c.Load.accepted(ctx)
	if err != nil {
		return err
	}
	waiting, done := context.WithTimeout(ctx, catchUp)
	defer done()
	for _, u := range c.Load.users {
		if failed := u.failed.Load(); failed != nil {
			return *failed
		}
		want := numbers(accepted[u.name])
		r.Accepted += len(want)
		r.Refused += int(u.refused.Swap(0))
		for i, d := range u.devices {
			if len(want) > 0 {
				if err := d.AwaitNumber(waiting, want[len(want)-1]); err != nil {
					r.Faults = append(r.Faults, fmt.Sprintf("%s, device %d, has not seen event %d: %v", u.name, i, want[len(want)-1], err))
				}
			}
			r.enter(u, i, accepted[u.name])
		}
	}
	return nil
}

// enter books what one device has seen.
func (r *Round) enter(u *user, i int, accepted []receipt) {
	d, want := u.devices[i], numbers(accepted)
	seen, absences := d.Take()
	t := follow.Count(follow.Numbers(seen), want)
	r.Add(t)
	if !t.Faultless() || t.Resets > 0 {
		r.Faults = append(r.Faults, fmt.Sprintf("%s, device %d (steady: %v): %d lost, %d doubled, %d reordered, %d resets\n%s",
			u.name, i, d.steady, t.Lost, t.Doubled, t.Reordered, t.Resets, strings.Join(follow.Explain(seen, want), "\n")))
	}
	if !d.steady {
		return
	}
	for _, a := range absences {
		if a.For > r.Absence {
			r.Absence = a.For
			r.absent = fmt.Sprintf("%s, device %d, from %s on, %d tries, the last one: %v", u.name, i, clock(a.Since), a.Tries, a.Err)
		}
	}
	silence, silent := &r.Silence, &r.silent
	if u.source.name() == "kafka" {
		silence, silent = &r.KafkaSilence, &r.kafkaSilent
	}
	gap, until := longestGap(seen)
	if !u.busy {
		gap, until = longestDelay(seen, accepted)
	}
	if gap > *silence {
		*silence = gap
		*silent = fmt.Sprintf("%s, device %d, until event %d at %s over %s at %s", u.name, i, until.N, clock(until.At), until.Over, until.Node)
	}
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }

// longestGap is the longest time between two entries of one connection, and the later
// one of them.
func longestGap(seen []follow.Entry) (gap time.Duration, until follow.Entry) {
	for i := 1; i < len(seen); i++ {
		if seen[i].Connection != seen[i-1].Connection {
			continue
		}
		if d := seen[i].At.Sub(seen[i-1].At); d > gap {
			gap, until = d, seen[i]
		}
	}
	return gap, until
}

// longestDelay is the longest time from an acknowledgement until the event came, on a
// connection that was there by then, and that event.
func longestDelay(seen []follow.Entry, accepted []receipt) (delay time.Duration, late follow.Entry) {
	at := map[int]time.Time{}
	for _, r := range accepted {
		at[r.n] = r.at
	}
	for _, e := range seen {
		acknowledged, ok := at[e.N]
		if !ok || e.Since.After(acknowledged) {
			continue
		}
		if d := e.At.Sub(acknowledged); d > delay {
			delay, late = d, e
		}
	}
	return delay, late
}
