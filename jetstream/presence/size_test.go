package presence

import (
	"runtime"
	"strconv"
	"testing"
)

// A subject that somebody follows costs the node a bounded amount of memory, beside the
// subscription.
func TestAWatcherIsSmall(t *testing.T) {
	p := newSilent()
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const n = 20_000
	subjects := make([]string, n)
	for i := range subjects {
		subjects[i] = "user.u" + strconv.Itoa(i)
	}
	before := heap()
	for _, s := range subjects {
		p.Follow(s, false, func(State) {})
	}
	each := (heap() - before) / n
	runtime.KeepAlive(p)
	if t.Logf("%d bytes", each); each > 1200 {
		t.Errorf("a watcher with a follower takes %d bytes", each)
	}
}
