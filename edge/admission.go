package edge

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
	// maxJoining is how many connections may be on their way to their subjects
	// at once. Each asks the store; half of what the store answers at once is
	// left for those that are there.
	maxJoining = 128
	// maxWaiting is how many more may wait for that, and joinWait for how long.
	maxWaiting = 512
	joinWait   = time.Second

	// Who is asked to come back is given a time of their own, one after the
	// other, as fast as the node has let clients in when it was busy.
	firstRate = 1000.0 // clients per second, until it is known
	leastRate = 200.0  // when the store stood still, which tells nothing
	rateSpan  = time.Second
	leastBack = time.Second
	longest   = 20 * time.Second
)

// An admission lets clients in as fast as the node can put them in their
// places. When more come, after the loss of a node for example, a few wait and
// the others are asked to come back later, each at another time: the node stays
// quick for those that it serves, and its memory bounded. It is safe for
// concurrent use.
type admission struct {
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

func newAdmission(delayed prometheus.Counter) *admission {
	return &admission{slots: make(chan struct{}, maxJoining), waits: make(chan struct{}, maxWaiting),
		delayed: delayed, rate: firstRate}
}

// enter returns when there is room for one more on its way; joined must be called
// when it has arrived. The error is a problem that says when to come back, or ctx's.
func (a *admission) enter(ctx context.Context) (*joining, error) {
	select {
	case a.slots <- struct{}{}:
		return &joining{a: a}, nil
	default:
	}
	a.crowded()
	select {
	case a.waits <- struct{}{}:
		defer func() { <-a.waits }()
	default:
		return nil, a.later()
	}
	patience := time.NewTimer(joinWait)
	defer patience.Stop()
	select {
	case a.slots <- struct{}{}:
		return &joining{a: a}, nil
	case <-patience.C:
		return nil, a.later()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// A joining is a client on its way; nil for one who takes no place.
type joining struct {
	a    *admission
	over atomic.Bool
}

// joined gives the place back. It may be called again.
func (j *joining) joined() {
	if j != nil && !j.over.Swap(true) {
		j.a.joined()
	}
}

func (a *admission) joined() {
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

func (a *admission) crowded() {
	a.mu.Lock()
	a.busy = true
	a.mu.Unlock()
}

// later books the next free time for a client that must come back.
func (a *admission) later() error {
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
