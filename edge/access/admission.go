package access

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/problem"
)

const (
	// MaxConnecting is how many connections may be on their way to their subjects
	// at once. Each asks the store; half of what the store answers at once is
	// left for those that are there.
	MaxConnecting = 128
	// maxWaiting is how many more may wait for that, and slotWait for how long.
	maxWaiting = 512
	slotWait   = time.Second

	// Who is asked to come back is given a time of their own, one after the
	// other, as fast as the node has let clients in when it was busy.
	firstRate = 1000.0 // clients per second, until it is known
	leastRate = 200.0  // when the store stood still, which tells nothing
	rateSpan  = time.Second
	leastBack = time.Second
	longest   = 20 * time.Second
)

// An Admission lets clients in as fast as the node can put them in their
// places. When more come, after the loss of a node for example, a few wait and
// the others are asked to come back later, each at another time: the node stays
// quick for those that it serves, and its memory bounded. It is safe for
// concurrent use.
type Admission struct {
	slots   chan struct{}
	waits   chan struct{}
	delayed prometheus.Counter

	mu     sync.Mutex
	booked time.Time // until when the time is given away
	rate   float64   // clients per second
	since  time.Time // rate is being measured since
	done   int       // since then
	busy   bool      // since then somebody had to wait
}

// NewAdmission makes one with all of its slots free. Each client that is asked to come
// back counts as delayed.
func NewAdmission(delayed prometheus.Counter) *Admission {
	return &Admission{slots: make(chan struct{}, MaxConnecting), waits: make(chan struct{}, maxWaiting),
		delayed: delayed, rate: firstRate}
}

// Enter returns when there is a slot for one more on its way, which must be released
// when it has arrived. The error is a problem that says when to come back, or ctx's.
func (a *Admission) Enter(ctx context.Context) (*Slot, error) {
	select {
	case a.slots <- struct{}{}:
		return &Slot{a: a}, nil
	default:
	}
	a.waited()
	select {
	case a.waits <- struct{}{}:
		defer func() { <-a.waits }()
	default:
		return nil, a.later()
	}
	timeout := time.NewTimer(slotWait)
	defer timeout.Stop()
	select {
	case a.slots <- struct{}{}:
		return &Slot{a: a}, nil
	case <-timeout.C:
		return nil, a.later()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// A Slot is that of a client on its way to its subjects; nil for one that needs none.
type Slot struct {
	a    *Admission
	over atomic.Bool
}

// Release gives the slot back. It may be called again.
func (s *Slot) Release() {
	if s != nil && !s.over.Swap(true) {
		s.a.arrived()
	}
}

// Connecting is how many clients have a slot.
func (a *Admission) Connecting() int { return len(a.slots) }

func (a *Admission) arrived() {
	<-a.slots
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.since.IsZero() {
		a.since = now
	}
	a.done++
	span := now.Sub(a.since)
	if span < rateSpan {
		return
	}
	if a.busy {
		a.rate = max((a.rate+float64(a.done)/span.Seconds())/2, leastRate)
	}
	a.since, a.done, a.busy = now, 0, false
}

// waited is called for a client that finds no slot at once.
func (a *Admission) waited() {
	a.mu.Lock()
	a.busy = true
	a.mu.Unlock()
}

// later books the next free time for a client that must come back.
func (a *Admission) later() error {
	a.delayed.Inc()
	now := time.Now()
	a.mu.Lock()
	first, last := now.Add(leastBack), now.Add(longest)
	if a.booked.Before(first) {
		a.booked = first
	}
	back := a.booked.Sub(now)
	if a.booked.Before(last) {
		a.booked = a.booked.Add(time.Duration(float64(time.Second) / a.rate))
	} else {
		back = leastBack + rand.N(longest-leastBack) // all of the time is given away: anywhere in it
	}
	a.mu.Unlock()
	back += rand.N(leastBack)
	return problem.New(problem.NotReady, "too many clients are connecting at once; come back later").Retry(back)
}
