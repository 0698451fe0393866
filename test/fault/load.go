package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/client"
	"weft/test/follow"
)

const (
	// busyEvery is the pace of a busy user's events. A gap in them is a silence.
	busyEvery = 50 * time.Millisecond
	// quietEvery is about that of a quiet one, for whom no next event reveals that
	// one was lost.
	quietEvery = 3 * time.Second

	busyUsers, quietUsers = 2, 3 // of each source
)

// A Load publishes numbered events by every way in, to users who follow them with
// several devices each: some keep their connection for as long as it lasts, some come
// and go on any transport.
type Load struct {
	users   []*user
	sources []source
	log     func(string, ...any)

	running sync.WaitGroup
	stop    context.CancelFunc
	// Publishers hold it shared for the length of one event; who pauses the load
	// takes it whole.
	gate sync.RWMutex
}

// A user has one source and several devices.
type user struct {
	name    string
	token   string
	source  source
	busy    bool
	devices []*device
	refused atomic.Int64
	failed  atomic.Pointer[error]
}

type device struct {
	*follow.Follower
	steady bool
}

// StartLoad connects all devices, and begins to publish when all are connected.
func StartLoad(t *testing.T, ctx context.Context, c *Cluster) *Load {
	t.Helper()
	l := &Load{log: c.Log}
	c.Load = l
	overNATS, err := newNATS(c.Nodes)
	if err != nil {
		t.Fatal(err)
	}
	overKafka, err := newKafka(c)
	if err != nil {
		t.Fatal(err)
	}
	l.sources = []source{overKafka, overNATS, newAdmin(c), newPublic(c, c.Token("shop"))}
	ctx, l.stop = context.WithCancel(ctx)
	t.Cleanup(func() {
		l.stop()
		l.running.Wait()
		for _, s := range l.sources {
			s.close()
		}
	})
	for _, s := range l.sources {
		for i := range busyUsers + quietUsers {
			l.addUser(ctx, c, s, i)
		}
	}
	for _, u := range l.users {
		for _, d := range u.devices {
			if err := d.AwaitID(ctx); err != nil {
				t.Fatalf("connect a device of %s: %v", u.name, err)
			}
		}
	}
	for _, u := range l.users {
		l.running.Go(func() { l.publish(ctx, u) })
	}
	return l
}

func (l *Load) addUser(ctx context.Context, c *Cluster, s source, i int) {
	u := &user{name: fmt.Sprintf("%s-%d", s.name(), i), source: s, busy: i < busyUsers}
	u.token = c.Token(u.name)
	steady, restless := 1, 1
	if u.busy {
		steady = 3 // one at each node, more or less
	}
	for n := range steady + restless {
		d := &device{steady: n < steady}
		h := follow.Habits{Origin: c.Balancer.URL, Token: u.token, Patience: 40 * time.Second,
			Random: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), Away: upTo(300 * time.Millisecond)}
		if d.steady {
			h.Transports = []client.Transport{client.SSE, client.WebSocket}
		} else {
			h.Transports, h.Life = client.Transports, upTo(8*time.Second)
		}
		d.Follower = follow.New(h)
		u.devices = append(u.devices, d)
		l.running.Go(func() { d.Run(ctx) })
	}
	l.users = append(l.users, u)
}

// device is one of a user that a fault brings along, by way of the balancer.
func (c *Cluster) device(user string, transports []client.Transport) *follow.Follower {
	return follow.New(follow.Habits{Origin: c.Balancer.URL, Token: c.Token(user), Transports: transports,
		Random: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), Away: upTo(200 * time.Millisecond), Patience: 40 * time.Second})
}

func upTo(most time.Duration) func(*rand.Rand) time.Duration {
	return func(r *rand.Rand) time.Duration { return most/10 + time.Duration(r.Int64N(int64(most))) }
}

// publish publishes a user's events, one after the other, at the user's pace.
func (l *Load) publish(ctx context.Context, u *user) {
	for n := 1; ; n++ {
		wait := busyEvery
		if !u.busy {
			wait = quietEvery/2 + rand.N(quietEvery)
		}
		if waitfor.Time(ctx, wait) != nil {
			return
		}
		l.gate.RLock()
		refused, err := u.source.publish(ctx, u.name, n)
		l.gate.RUnlock()
		u.refused.Add(int64(refused))
		if err != nil {
			if ctx.Err() == nil {
				u.failed.Store(&err)
			}
			return
		}
	}
}

// Hold stops publishing. It returns when nothing is on its way any more: each event
// that was begun has been acknowledged. Resume must be called.
func (l *Load) Hold(ctx context.Context) error {
	held := make(chan struct{})
	go func() {
		l.gate.Lock()
		close(held)
	}()
	select {
	case <-held:
		return nil
	case <-ctx.Done():
		l.stop() // then nothing keeps the gate from being taken, and the run is over
		<-held
		return fmt.Errorf("wait until all that was published is acknowledged: %w", ctx.Err())
	}
}

// Resume publishes again after Hold.
func (l *Load) Resume() { l.gate.Unlock() }

// accepted returns, by user, what was acknowledged since the last call.
func (l *Load) accepted(ctx context.Context) (map[string][]receipt, error) {
	all := map[string][]receipt{}
	for _, s := range l.sources {
		receipts, err := s.accepted(ctx)
		if err != nil {
			return nil, fmt.Errorf("read what %s has accepted: %w", s.name(), err)
		}
		for user, list := range receipts {
			all[user] = list
		}
	}
	return all, nil
}
