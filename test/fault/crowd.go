package fault

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/follow"
)

const (
	// crowdSize and largeCrowd are how many clients are disconnected at once in a
	// plain test and when there is time.
	crowdSize, largeCrowd = 1_500, 5_000
	// allBack is within what time they must be back.
	allBack = 60 * time.Second
	// arrivals is how many clients connect at the same time in the beginning.
	arrivals = 64
)

// crowdReturns disconnects thousands of clients at once, by the death of the load
// balancer or, with more time, by any other way, while each of them is sent an event.
var crowdReturns = newCrowdReturns()

func newCrowdReturns() Fault {
	var found []error
	return Fault{
		Name: "a crowd disconnected at once",
		Apply: func(ctx context.Context, c *Cluster) error {
			size, way := crowdSize, 0
			if atLength() {
				size, way = largeCrowd, rand.IntN(3)
			}
			var err error
			found, err = crowd(ctx, c, size, way)
			return err
		},
		Check: func(*Round) error { return errors.Join(found...) },
	}
}

// A gathering is the crowd.
type gathering struct {
	c        *Cluster
	visitors []*visitor
}

var gatherings atomic.Int64

func crowd(ctx context.Context, c *Cluster, size, way int) (found []error, err error) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer func() { cancel(); running.Wait() }()
	g := &gathering{c: c}
	number := gatherings.Add(1)
	for i := range size {
		user := fmt.Sprintf("crowd-%d-%d", number, i)
		g.visitors = append(g.visitors, newVisitor(user, c.Token(user)))
	}
	began := time.Now()
	address := strings.TrimPrefix(c.Balancer.URL(), "http://")
	if err := g.each(ctx, func(v *visitor) error {
		running.Go(func() { v.run(ctx, address) })
		return v.await(ctx, func() bool { return v.open })
	}); err != nil {
		return nil, fmt.Errorf("connect a crowd: %w", err)
	}
	if err := g.publish(ctx, 1); err != nil {
		return nil, err
	}
	c.Log("%d clients have come within %v", size, time.Since(began).Round(time.Millisecond))
	before := g.spent()
	unready, stop := g.watch(ctx)
	at := time.Now()
	g.disconnect(ctx, way)
	published := make(chan error, 1)
	go func() { published <- g.publish(ctx, 2) }()
	back, err := g.back(ctx, at, way)
	stop()
	if err != nil {
		return nil, err
	}
	if err := <-published; err != nil {
		return nil, err
	}
	slices.Sort(back)
	c.Log("all are back: half after %v, the last after %v", back[len(back)/2].Round(time.Millisecond), back[len(back)-1].Round(time.Millisecond))
	if way != wayNode {
		c.Log("the nodes took %v of CPU time meanwhile", (g.spent() - before).Round(time.Millisecond))
	}
	if last := back[len(back)-1]; last > allBack {
		found = append(found, fmt.Errorf("the last of %d clients was back after %v, not %v", size, last, allBack))
	}
	// A node that was killed on purpose is not ready.
	if names := unready(); way != wayNode && len(names) > 0 {
		found = append(found, fmt.Errorf("while the clients came back these were not ready: %v", names))
	}
	if err := g.publish(ctx, 3); err != nil {
		return nil, err
	}
	return append(found, g.count(ctx, []int{1, 2, 3})...), nil
}

// The ways in which a crowd is disconnected.
const (
	wayBalancer = iota // the load balancer dies
	wayClients         // all clients lose their network
	wayNode            // a node dies with its share of them
)

func (g *gathering) disconnect(ctx context.Context, way int) {
	switch way {
	case wayBalancer:
		g.c.Log("kill the balancer")
		g.c.Balancer.Restart(ctx)
	case wayClients:
		g.c.Log("close all connections of the crowd")
		for _, v := range g.visitors {
			v.update(v.hangUp)
		}
	case wayNode:
		i := rand.IntN(len(g.c.Nodes))
		g.c.Log("kill n%d", i+1)
		g.c.Nodes[i].Kill()
		g.c.Nodes[i].Launch()
	}
}

// each calls f for all visitors, some at a time.
func (g *gathering) each(ctx context.Context, f func(*visitor) error) error {
	var all sync.WaitGroup
	errs := make(chan error, len(g.visitors))
	slots := make(chan struct{}, arrivals)
	for _, v := range g.visitors {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if err := f(v); err != nil {
				errs <- err
			}
		})
	}
	all.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return ctx.Err()
	}
}

// publish sends everyone an event.
func (g *gathering) publish(ctx context.Context, n int) error {
	p := newAdmin(g.c)
	defer p.close()
	p.client.Transport.(*http.Transport).MaxIdleConnsPerHost = arrivals
	return g.each(ctx, func(v *visitor) error {
		_, err := p.publish(ctx, v.user, n)
		return err
	})
}

// back waits until all visitors that were disconnected are back, or for twice as long
// as they may take, and returns how long each took.
func (g *gathering) back(ctx context.Context, at time.Time, way int) (took []time.Duration, err error) {
	ctx, cancel := context.WithDeadline(ctx, at.Add(2*allBack))
	defer cancel()
	connections := 2
	if way == wayNode { // the visitors of the others have lost nothing
		connections = 1
		if err := waitfor.Time(ctx, time.Second); err != nil { // it takes less to notice
			return nil, err
		}
	}
	for _, v := range g.visitors {
		var since time.Time
		if err := v.await(ctx, func() bool { since = v.since; return v.open && v.opened >= connections }); err != nil {
			return nil, fmt.Errorf("wait for %s to come back: %w", v.user, err)
		}
		took = append(took, max(0, since.Sub(at)))
	}
	return took, nil
}

// watch notes which nodes are not ready until stop is called; then names tells.
func (g *gathering) watch(ctx context.Context) (names func() []string, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	unready := make([]string, len(g.c.Nodes))
	for i := range g.c.Nodes {
		watching.Go(func() {
			for waitfor.Time(ctx, 100*time.Millisecond) == nil {
				if errors.Is(g.c.readiness(ctx, i), errNotReady) {
					unready[i] = fmt.Sprintf("n%d", i+1)
				}
			}
		})
	}
	return func() []string { return slices.DeleteFunc(unready, func(name string) bool { return name == "" }) },
		func() { cancel(); watching.Wait() }
}

// spent is the CPU time that the nodes' processes have taken so far.
func (g *gathering) spent() (total time.Duration) {
	for _, n := range g.c.Nodes {
		cpu, err := n.Process().CPU()
		if err != nil {
			g.c.Log("%v", err)
		}
		total += cpu
	}
	return total
}

// count compares what each visitor has seen with what there was.
func (g *gathering) count(ctx context.Context, want []int) (found []error) {
	ctx, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	var t follow.Tally
	for _, v := range g.visitors {
		err := v.await(ctx, func() bool { return slices.Contains(v.seen, want[len(want)-1]) })
		v.mu.Lock()
		got := follow.Count(v.seen, want)
		v.mu.Unlock()
		t.Add(got)
		if !got.Faultless() && len(found) < 5 {
			found = append(found, fmt.Errorf("%s saw %v, want %v: %v", v.user, v.seen, want, err))
		}
	}
	g.c.Log("of the crowd: %d events delivered, %d lost, %d doubled, %d reordered, %d resets", t.Delivered, t.Lost, t.Doubled, t.Reordered, t.Resets)
	return found
}
