package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// bumpy roads refuse what they are told to refuse, and remember what came.
type bumpy struct {
	mu     sync.Mutex
	refuse map[string]int // how many attempts, by way in
	tried  []event
	taken  []event
}

func (b *bumpy) send(_ context.Context, e event) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tried = append(b.tried, e)
	if b.refuse[e.Via] > 0 {
		b.refuse[e.Via]--
		return errors.New("no leader")
	}
	b.taken = append(b.taken, e)
	return nil
}

func TestAnEventThatIsRefusedIsSentAgainUnderItsKeyAndHoldsUpItsOwnWayOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		roads := &bumpy{refuse: map[string]int{viaNATS: 10}}
		f := newFlow(roads, []string{"ann", "bob"}, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		var done sync.WaitGroup
		done.Go(func() { f.run(ctx) })
		time.Sleep(sendEvery + tryAgain*5)
		for _, l := range f.report().Lanes {
			if waits := l.Waiting > 0; waits != (l.Via == viaNATS) {
				t.Errorf("%s waits for %d ms", l.Via, l.Waiting)
			}
		}
		time.Sleep(time.Minute)
		cancel()
		done.Wait()

		last, keys := map[string]int{}, map[string]bool{}
		for _, e := range roads.taken {
			lane := e.Via + " to " + e.To
			if e.N != last[lane]+1 || keys[e.key] {
				t.Errorf("%s: number %d, key %s after %d", lane, e.N, e.key, last[lane])
			}
			last[lane], keys[e.key] = e.N, true
		}
		if len(last) != 6 {
			t.Errorf("lanes %v, want each of three ways to each of two users", last)
		}
		for i, e := range roads.tried[:10] {
			if e.Via == viaNATS && (e.N != 1 || e.To != "ann" || e.key == "") {
				t.Errorf("attempt %d: %+v", i, e)
			}
		}
		for _, l := range f.report().Lanes {
			for user, n := range l.Accepted {
				if n != last[l.Via+" to "+user] {
					t.Errorf("%s to %s: reports %d, took %d", l.Via, user, n, last[l.Via+" to "+user])
				}
			}
		}
	})
}

func TestAFlowThatIsHeldSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		roads := &bumpy{}
		f := newFlow(roads, []string{"ann"}, slog.New(slog.DiscardHandler))
		f.turn(false)
		ctx, cancel := context.WithCancel(t.Context())
		var done sync.WaitGroup
		done.Go(func() { f.run(ctx) })
		time.Sleep(time.Minute)
		if len(roads.taken) != 0 {
			t.Errorf("sent %d", len(roads.taken))
		}
		f.turn(true)
		time.Sleep(time.Minute)
		cancel()
		done.Wait()
		if len(roads.taken) < 100 {
			t.Errorf("sent %d in a minute", len(roads.taken))
		}
	})
}
