package cluster

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weft/jetstream/api"
	"weft/jetstream/server"
)

// From the start to a cut and back: what a node is ready for, and for how long.
func TestLinksKnowSinceWhenThereIsAMajority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		l := newLinks(&server.ClusterConfig{Size: 3, IsolatedFor: 30 * time.Second})
		want := func(when, ready string) {
			t.Helper()
			if err := l.ready("; because"); err == nil && ready != "" || err != nil && (ready == "" || !strings.Contains(err.Error(), ready)) {
				t.Errorf("%s: %v, want %q", when, err, ready)
			}
		}
		if up, all := l.Count(); up != 0 || all != 2 || l.Known() != 3 {
			t.Errorf("before the first look %d links of %d, %d members", up, all, l.Known())
		}
		if l.saw(nil, 3, log) || !errors.Is(l.ready(""), api.ErrIsolated) {
			t.Error("one of three is a majority")
		}
		want("alone", "linked to 1 of 3 nodes; because")
		time.Sleep(time.Second)
		if cut, long := l.Isolated(); !l.CutOff() || cut != time.Second || long || l.LinkedFor() != 0 {
			t.Errorf("cut off for %v (too long: %v), linked for %v", cut, long, l.LinkedFor())
		}

		if !l.saw([]string{"n2"}, 3, log) || l.CutOff() || l.Relinked() != time.Now() {
			t.Errorf("two of three are no majority, or linked at %v", l.Relinked())
		}
		want("linked", "for less than 200ms")
		time.Sleep(settled)
		want("settled", "still a member")
		l.enter()
		l.checked(errors.New("behind"), false, log)
		want("entered", "behind")
		if l.checked(nil, false, log) {
			t.Error("the store is well before it was ever current")
		}
		want("current", "")
		if current, entered := l.standing(); !current || !entered {
			t.Errorf("current %v, entered %v", current, entered)
		}

		// A store that ends is known by how long it is not current.
		l.checked(errors.New("stopped"), true, log)
		time.Sleep(9 * time.Second)
		l.checked(errors.New("stopped"), true, log)
		if d := l.StaleFor(); d != 9*time.Second {
			t.Errorf("stale for %v", d)
		}
		want("stale", "")
		if !l.checked(nil, false, log) || l.StaleFor() != 0 {
			t.Errorf("mended, and stale for %v", l.StaleFor())
		}
		l.Restarting()
		want("restarting", "being restarted")
		l.checked(nil, false, log)

		l.saw([]string{"n2"}, 5, log)
		time.Sleep(31 * time.Second)
		if _, long := l.Isolated(); !long || l.LinkedFor() != 0 {
			t.Errorf("two of five: too long %v, linked for %v", long, l.LinkedFor())
		}
		l.saw([]string{"n2", "n3"}, 5, log)
		want("after a cut", "for less than 500ms")
		time.Sleep(settledAfterCut)
		want("after a cut", "still a member")
		if up, all := l.Count(); up != 2 || all != 4 || l.LinkedFor() != settledAfterCut {
			t.Errorf("%d links of %d for %v", up, all, l.LinkedFor())
		}
		l.enter()
		want("not compared since", "compared")
		l.checked(errors.New("behind"), false, log)
		time.Sleep(time.Second)
		if l.checked(errors.New("behind"), false, log) || l.StaleFor() != 0 {
			t.Error("copies that catch up after a cut are taken for a store that has ended")
		}
		l.checked(errors.New("stopped"), true, log)
		time.Sleep(9 * time.Second)
		if l.checked(errors.New("stopped"), true, log) || l.StaleFor() != 9*time.Second {
			t.Errorf("a store that ended during a cut is stale for %v", l.StaleFor())
		}
		l.checked(nil, false, log)
		want("compared", "")
	})
}

// A node whose links come and go is ready later each time; one that was linked for long
// is soon ready again.
func TestANodeWhoseLinksFlutterWaitsLongerEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		l := newLinks(&server.ClusterConfig{Size: 3})
		// linked links the node for so long, with all that else it needs, and cuts it off. It
		// returns after how long it was ready.
		linked := func(lasts time.Duration) (ready time.Duration) {
			l.saw([]string{"n2"}, 3, log)
			l.enter()
			l.checked(nil, false, log)
			begun := time.Now()
			for l.ready("") != nil {
				time.Sleep(time.Millisecond)
			}
			ready = time.Since(begun)
			time.Sleep(lasts)
			l.saw(nil, 3, log)
			return ready
		}
		for i, want := range []time.Duration{settled, settledAfterCut, 2 * settledAfterCut, 4 * settledAfterCut, 8 * settledAfterCut, settledAtMost, settledAtMost} {
			if got := linked(time.Second); got != want {
				t.Errorf("link %d: ready after %v, want %v", i, got, want)
			}
		}
		if linked(steady); linked(0) != settledAfterCut {
			t.Error("a node that was linked for long waits as one whose links flutter")
		}
	})
}

func TestANodeAloneIsAMajority(t *testing.T) {
	l := newLinks(nil)
	if up, all := l.Count(); up != 0 || all != 0 || l.Known() != 1 || l.CutOff() {
		t.Errorf("%d links of %d, %d members, cut off %v", up, all, l.Known(), l.CutOff())
	}
}
