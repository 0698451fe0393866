package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"weft/test/client"
	"weft/test/follow"
)

// pausedFor is longer than all timeouts by which others notice that a node is gone.
const pausedFor = 20 * time.Second

// paused stops a node's process for a while. When it goes on it knows nothing of what
// it missed, and must not answer as if that were all.
var paused = Fault{Name: "paused node", Apply: func(ctx context.Context, c *Cluster) error {
	i := rand.IntN(len(c.Nodes))
	late := c.Load.latecomer(c.Nodes[i].URL(), c.Nodes[(i+1)%len(c.Nodes)].URL())
	c.Log("pause n%d", i+1)
	if err := c.Nodes[i].Process().Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	if err := Pause(ctx, pausedFor); err != nil {
		return err
	}
	c.Log("n%d goes on", i+1)
	if err := c.Nodes[i].Process().Signal(syscall.SIGCONT); err != nil {
		return err
	}
	return late.check(ctx)
}}

// A latecomer is a device that has been away since before the pause, and asks the
// node that was paused first of all, then another one.
type latecomer struct {
	habits follow.Habits
	last   int // the number of the last event that it has
	here   *device
}

// latecomer makes one of a busy user's device: what that has now, it has.
func (l *Load) latecomer(first, then string) *latecomer {
	u := l.users[slices.IndexFunc(l.users, func(u *user) bool { return u.busy && u.source.name() == "nats" })]
	d := u.devices[0]
	seen := d.Seen()
	last := seen[len(seen)-1]
	asked := 0
	return &latecomer{last: last.N, here: d, habits: follow.Habits{
		From: last.ID, Token: u.token, Transports: []client.Transport{client.Poll},
		Random: rand.New(rand.NewPCG(1, 1)), Away: upTo(20 * time.Millisecond), Life: upTo(300 * time.Millisecond),
		Origin: func() string {
			if asked++; asked <= 10 {
				return first
			}
			return then
		},
	}}
}

// check lets it ask until it has what its user's other device has, and looks whether
// that is everything.
func (l *latecomer) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	f := follow.New(l.habits)
	asking, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); f.Run(asking) }()
	defer func() { stop(); <-ended }()
	if err := Pause(ctx, 5*time.Second); err != nil { // it turns to the other node meanwhile
		return err
	}
	present := l.here.Seen()
	until := present[len(present)-1].N
	if err := f.AwaitNumber(ctx, until); err != nil {
		return fmt.Errorf("a device that asks a node that was paused: %w", err)
	}
	var want []int
	for n := l.last + 1; n <= until; n++ {
		want = append(want, n)
	}
	seen := f.Seen()
	seen = seen[:slices.IndexFunc(seen, func(e follow.Entry) bool { return e.N == until })+1]
	if t := follow.Count(follow.Numbers(seen), want); !t.Faultless() || t.Resets > 0 {
		return fmt.Errorf("a device that asks a node that was paused: %+v %q", t, follow.Explain(seen, want))
	}
	return nil
}
