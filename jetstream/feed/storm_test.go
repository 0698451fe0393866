package feed_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weft/jetstream"
	"weft/jetstream/api"
	"weft/jetstream/event"
	"weft/jetstream/feed"
)

// TestNothingIsLostDoubledOrReorderedByReconnectsAndLostCopies runs clients
// that come and go while events are published, copies are stolen from the
// reader and the live connection is cut. Each client must see every number of
// each of its subjects once, in order.
func TestNothingIsLostDoubledOrReorderedByReconnectsAndLostCopies(t *testing.T) {
	const users, clients = 20, 40
	perUser := 300
	if testing.Short() {
		perUser = 75
	}
	h := open(t, func(c *jetstream.Config) { c.Events.MaxPerSubject = 100_000 })
	subjects := func(i int) []string {
		list := []string{fmt.Sprintf("user.u%d", i%users)}
		if i%3 == 0 {
			list = append(list, "topic.all")
		}
		if i%6 == 0 {
			list = append(list, fmt.Sprintf("user.u%d", (i+1)%users))
		}
		return list
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	here := func() *site { return h }
	var publishing atomic.Bool
	publishing.Store(true)
	var started, all sync.WaitGroup
	started.Add(clients)
	for i := range clients {
		all.Go(func() { runClient(t, ctx, here, subjects(i), perUser, &started, &publishing) })
	}
	started.Wait()
	var publishers sync.WaitGroup
	for w := range 4 {
		publishers.Go(func() {
			for n := 1; n <= perUser; n++ {
				for u := w; u < users; u += 4 {
					mustPublish(t, ctx, here, fmt.Sprintf("user.u%d", u), n)
				}
				if w == 0 {
					mustPublish(t, ctx, here, "topic.all", n)
				}
			}
		})
	}
	trouble, calm := context.WithCancel(ctx)
	var troublemaker sync.WaitGroup
	everything := []string{"topic.all"}
	for u := range users {
		everything = append(everything, fmt.Sprintf("user.u%d", u))
	}
	troublemaker.Go(func() { h.trouble(trouble, everything) })
	publishers.Wait()
	calm()
	troublemaker.Wait()
	h.copies.interrupted("test")
	publishing.Store(false)
	all.Wait()
}

func mustPublish(t *testing.T, ctx context.Context, at func() *site, subject string, n int) {
	e := event.Event{Subject: subject, Data: fmt.Append(nil, n), ID: event.Operators.KeyID("t", n)}
	for {
		if _, err := at().node.Store().Publish(ctx, e); err == nil {
			return
		} else if ctx.Err() != nil {
			t.Error(err)
			return
		}
	}
}

// trouble loses delivery copies of subjects and cuts the live connection.
func (h *site) trouble(ctx context.Context, subjects []string) {
	for ctx.Err() == nil {
		api.Sleep(ctx, time.Duration(rand.IntN(50))*time.Millisecond)
		if rand.IntN(4) == 0 {
			h.copies.Reconnect()
			continue
		}
		s := subjects[rand.IntN(len(subjects))]
		h.copies.lose(s, true)
		api.Sleep(ctx, time.Duration(rand.IntN(10))*time.Millisecond)
		h.copies.lose(s, false)
		h.copies.interrupted("test")
	}
}

func runClient(t *testing.T, ctx context.Context, at func() *site, subjects []string, last int, started *sync.WaitGroup, publishing *atomic.Bool) {
	seen := map[string]int{}
	id, once := "", false
	for ctx.Err() == nil {
		c := newClient(t)
		r, err := at().Follow(ctx, subjects, feed.Start{LastID: id}, c)
		if errors.Is(err, feed.ErrClosed) {
			continue // that node stops: try another
		}
		if err != nil {
			t.Errorf("follow: %v", err)
			return
		}
		if !once {
			once = true
			started.Done()
		}
		if publishing.Load() {
			api.Sleep(ctx, time.Duration(rand.IntN(300))*time.Millisecond)
			if rand.IntN(3) == 0 {
				r.Keepalive()
			}
		} else {
			waitAll(ctx, c, seen, subjects, last)
		}
		r.Close()
		for _, e := range c.seen() {
			subject, number, _ := strings.Cut(e, " ")
			var n int
			fmt.Sscan(number, &n)
			if n != seen[subject]+1 {
				t.Errorf("%s: %d came after %d", subject, n, seen[subject])
				return
			}
			seen[subject] = n
		}
		if len(c.resets) > 0 {
			t.Errorf("%v: resets %v from %q", subjects, c.resets, id)
		}
		id = c.lastID()
		if complete(seen, subjects, last) {
			return
		}
	}
	t.Errorf("%v: saw up to %v of %d", subjects, seen, last)
}

func complete(seen map[string]int, subjects []string, last int) bool {
	for _, s := range subjects {
		if seen[s] < last {
			return false
		}
	}
	return true
}

// waitAll waits until the client has the rest.
func waitAll(ctx context.Context, c *client, seen map[string]int, subjects []string, last int) {
	missing := 0
	for _, s := range subjects {
		missing += last - seen[s]
	}
	for ctx.Err() == nil && len(c.seen()) < missing {
		api.Sleep(ctx, 10*time.Millisecond)
	}
}
