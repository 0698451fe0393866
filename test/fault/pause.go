package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/client"
	"weft/test/follow"
)

// pausedFor is longer than all timeouts by which others notice that a node is gone.
const pausedFor = 20 * time.Second

// paused stops a node's process for a while. When it goes on it knows nothing of what
// it missed, and must not answer as if that were all.
var paused = Fault{Name: "paused node", MaxSilence: linkSilence, Apply: func(ctx context.Context, c *Cluster) error {
	i := rand.IntN(len(c.Nodes))
	late, err := c.Load.latecomer(ctx, c.Nodes[i].URL(), c.Nodes[(i+1)%len(c.Nodes)].URL())
	if err != nil {
		return err
	}
	c.Log("pause n%d", i+1)
	if err := c.Nodes[i].Process().Pause(); err != nil {
		return err
	}
	if err := waitfor.Time(ctx, pausedFor); err != nil {
		return err
	}
	var asking sync.WaitGroup
	defer asking.Wait()
	ctx, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	asking.Go(func() { late.Run(ctx) })
	// Its first question is there before the node knows that time has passed.
	if err := waitfor.Time(ctx, 50*time.Millisecond); err != nil {
		return err
	}
	c.Log("n%d goes on", i+1)
	if err := c.Nodes[i].Process().Resume(); err != nil {
		return err
	}
	return late.check(ctx)
}}

// A latecomer is a device that has been away since before the pause, and asks the
// node that was paused first of all, then another one.
type latecomer struct {
	*follow.Follower
	last int // the number of the last event that it had
	here *device
}

const (
	// questions is how often it asks the node that was paused, pollWait how long it
	// waits for an answer that has events.
	questions = 8
	pollWait  = 30 * time.Millisecond
)

// latecomer makes one of a busy user's device: what that has now, it has.
func (l *Load) latecomer(ctx context.Context, first, then string) (*latecomer, error) {
	u := l.users[slices.IndexFunc(l.users, func(u *user) bool { return u.busy && u.source.name() == "nats" })]
	d := u.devices[0]
	ctx, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	seen := d.Seen()
	for len(seen) == 0 { // since the fault before it may have had none
		if err := waitfor.Time(ctx, busyEvery); err != nil {
			return nil, fmt.Errorf("a device has no event: %s", d)
		}
		seen = d.Seen()
	}
	last := seen[len(seen)-1]
	asked := 0
	return &latecomer{last: last.N, here: d, Follower: follow.New(follow.Habits{
		From: last.ID, Token: u.token, Transports: []client.Transport{client.Poll}, Wait: pollWait,
		Random: rand.New(rand.NewPCG(1, 1)), Away: upTo(20 * time.Millisecond), Life: upTo(400 * time.Millisecond),
		Origin: func() string {
			if asked++; asked <= questions {
				return first
			}
			return then
		},
	})}, nil
}

// check waits until it has what its user's other device has, and looks whether that is
// everything.
func (l *latecomer) check(ctx context.Context) error {
	if err := waitfor.Time(ctx, 4*time.Second); err != nil { // it turns to the other node meanwhile
		return err
	}
	present := l.here.Seen()
	until := present[len(present)-1].N
	if err := l.AwaitNumber(ctx, until); err != nil {
		return fmt.Errorf("a device that asks a node that was paused: %w", err)
	}
	var want []int
	for n := l.last + 1; n <= until; n++ {
		want = append(want, n)
	}
	seen := l.Seen()
	seen = seen[:slices.IndexFunc(seen, func(e follow.Entry) bool { return e.N == until })+1]
	if t := follow.Count(follow.Numbers(seen), want); !t.Faultless() || t.Resets > 0 {
		return fmt.Errorf("a device that asks a node that was paused: %+v %q", t, follow.Explain(seen, want))
	}
	return nil
}
