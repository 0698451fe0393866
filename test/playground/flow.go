package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"
)

const (
	// sendEvery is the time between two events of one lane.
	sendEvery = 250 * time.Millisecond
	// tryFor bounds one attempt to publish, tryAgain is the time to the next.
	tryFor   = 3 * time.Second
	tryAgain = 200 * time.Millisecond
)

// roads are the ways in. send returns nil when the event is accepted.
type roads interface {
	send(ctx context.Context, e event) error
}

// A flow sends numbered events to users, by each way in on a lane of its own:
// what one way keeps waiting does not hold up the others. A lane sends one event
// at a time and repeats it, under the same key, until it is accepted, so that an
// event has its number once and a lane's numbers arrive in their order.
type flow struct {
	roads roads
	users []string
	name  string // makes the keys of this run differ from others'
	log   *slog.Logger

	mu    sync.Mutex
	on    bool
	lanes []*lane
}

// A lane is one way in. It is guarded by the flow's lock.
type lane struct {
	via      string
	accepted map[string]int // the number of the last accepted event, by user
	since    time.Time      // when the event on its way was first sent; zero: none is
	err      error          // of the last attempt
}

// newFlow makes a flow that is on.
func newFlow(r roads, users []string, log *slog.Logger) *flow {
	f := &flow{roads: r, users: users, name: rand.Text(), log: log, on: true}
	for _, via := range []string{viaKafka, viaHTTP, viaNATS} {
		f.lanes = append(f.lanes, &lane{via: via, accepted: map[string]int{}})
	}
	return f
}

// run sends until ctx ends.
func (f *flow) run(ctx context.Context) {
	var all sync.WaitGroup
	for _, l := range f.lanes {
		all.Go(func() { f.drive(ctx, l) })
	}
	all.Wait()
}

// drive sends the events of one lane to the users in turn.
func (f *flow) drive(ctx context.Context, l *lane) {
	next := time.NewTicker(sendEvery)
	defer next.Stop()
	for i := 0; ; {
		select {
		case <-next.C:
		case <-ctx.Done():
			return
		}
		if e, ok := f.begin(l, f.users[i%len(f.users)]); ok {
			f.deliver(ctx, l, e)
			i++
		}
	}
}

// begin makes the next event of a lane for user, unless the flow is off.
func (f *flow) begin(l *lane, user string) (event, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.on {
		return event{}, false
	}
	l.since = time.Now()
	n := l.accepted[user] + 1
	return event{
		To: user, Via: l.via, State: states[n%len(states)], Text: fmt.Sprintf("event %d", n), N: n,
		Sent: float64(l.since.UnixMicro()) / 1000,
		key:  fmt.Sprintf("%s-%s-%s-%d", f.name, l.via, user, n),
	}, true
}

// deliver sends e until it is accepted or ctx ends.
func (f *flow) deliver(ctx context.Context, l *lane, e event) {
	for {
		err := f.try(ctx, e)
		if err != nil && ctx.Err() != nil {
			return
		}
		f.tried(l, e, err)
		if err == nil {
			return
		}
		select {
		case <-time.After(tryAgain):
		case <-ctx.Done():
		}
	}
}

// try sends e once. The Kafka client repeats by itself, without doubles; were it
// interrupted, nobody could tell whether the broker has the record.
func (f *flow) try(ctx context.Context, e event) error {
	if e.Via != viaKafka {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, tryFor)
		defer cancel()
	}
	return f.roads.send(ctx, e)
}

func (f *flow) tried(l *lane, e event, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		if l.err == nil {
			f.log.Info("events wait", "via", l.via, "err", err)
		}
		l.err = err
		return
	}
	if l.err != nil {
		f.log.Info("events go on", "via", l.via, "after", time.Since(l.since).Round(time.Millisecond).String())
	}
	l.accepted[e.To], l.since, l.err = e.N, time.Time{}, nil
}

// turn lets events flow, or not.
func (f *flow) turn(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.on = on
}

// A flowReport is what the page is told of the flow.
type flowReport struct {
	On    bool         `json:"on"`
	Lanes []laneReport `json:"lanes"`
}

// A laneReport is what the page is told of a way in.
type laneReport struct {
	Via string `json:"via"`
	// Accepted is the number of the last accepted event of each user.
	Accepted map[string]int `json:"accepted"`
	// Waiting is for how many milliseconds the next event has not been accepted;
	// 0 when none is on its way.
	Waiting int64 `json:"waiting"`
}

func (f *flow) report() flowReport {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := flowReport{On: f.on}
	for _, l := range f.lanes {
		lr := laneReport{Via: l.via, Accepted: maps.Clone(l.accepted)}
		if !l.since.IsZero() {
			lr.Waiting = time.Since(l.since).Milliseconds()
		}
		r.Lanes = append(r.Lanes, lr)
	}
	return r
}
