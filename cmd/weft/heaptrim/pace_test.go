package heaptrim

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestALargeHeapIsCollectedEarlier(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		live    uint64
		percent int
	}{{0, 100}, {20 * mib, 100}, {224 * mib, 100}, {256 * mib, 75}, {280 * mib, 60}, {299 * mib, 50}, {400 * mib, 50}, {448 * mib, 50}, {8 << 30, 50}} {
		if percent := paceOf(c.live); percent < c.percent-1 || percent > c.percent {
			t.Errorf("%d MiB in use: %d per cent of garbage, want %d", c.live/mib, percent, c.percent)
		}
	}
}

// percent is the pace that is in force.
func percent() int {
	now := debug.SetGCPercent(goPercent)
	debug.SetGCPercent(now)
	return now
}

func TestThePaceFollowsWhatIsInUseAndIsLeftToGoAtTheEnd(t *testing.T) {
	t.Setenv("GOGC", "")
	p := startPacer()
	defer p.stop()
	await := func(want int) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); percent() != want; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d per cent, want %d", percent(), want)
			}
			runtime.GC()
		}
	}
	large := make([]byte, tightHeap+1) // never touched, so it takes no memory
	await(leastPercent)
	runtime.KeepAlive(large)
	large = nil
	await(goPercent)
	large = make([]byte, tightHeap+1)
	await(leastPercent)
	p.stop()
	runtime.GC()
	if now := percent(); now != goPercent {
		t.Errorf("%d per cent after the end", now)
	}
	runtime.KeepAlive(large)
}

func TestWhoHasSetAPaceKeepsIt(t *testing.T) {
	t.Setenv("GOGC", "100")
	p := startPacer()
	large := make([]byte, tightHeap+1)
	for range 3 {
		runtime.GC()
	}
	if now := percent(); now != goPercent {
		t.Errorf("%d per cent, want what was set", now)
	}
	runtime.KeepAlive(large)
	p.stop()
}
