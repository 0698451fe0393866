package heaptrim

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

func TestAStormIsOverOnceWhenNoMoreConnectionsComeOrGo(t *testing.T) {
	var s storm
	for i, c := range []struct {
		moved int64
		over  bool
	}{
		{0, false}, {5, false}, {500, false}, {500, false}, // few
		{1100, false}, {9000, false}, {9005, true}, {9005, false}, // many, and then none
		{9500, false}, {9990, false}, {10100, false}, {10100, true}, // many after all
		{10111, false},
	} {
		if got := s.over(c.moved); got != c.over {
			t.Errorf("look %d, %d moved: over %v, want %v", i, c.moved, got, c.over)
		}
	}
}

func TestANodeWithLittleToDoIsTidy(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		what        string
		before, now heap
		untidy      bool
	}{
		{"no garbage", heap{100 * mib, 20 * mib, 20 * mib}, heap{101 * mib, 21 * mib, 20 * mib}, false},
		{"garbage, and little to do", heap{100 * mib, 20 * mib, 20 * mib}, heap{102 * mib, 22 * mib, 20 * mib}, true},
		{"garbage in a large heap", heap{100 * mib, 56 * mib, 56 * mib}, heap{103 * mib, 65 * mib, 56 * mib}, true},
		{"a little in a large heap", heap{100 * mib, 56 * mib, 56 * mib}, heap{103 * mib, 63 * mib, 56 * mib}, false},
		{"garbage, and much to do", heap{100 * mib, 20 * mib, 20 * mib}, heap{105 * mib, 25 * mib, 20 * mib}, false},
	} {
		if untidy := c.now.untidy(c.before); untidy != c.untidy {
			t.Errorf("%s: untidy %v", c.what, untidy)
		}
	}
	if h := readHeap(); h.allocated == 0 || h.objects == 0 || h.live == 0 && h.allocated > 64*mib {
		t.Errorf("the runtime tells of no memory: %+v", h)
	}
}

func TestANodeWasBusyThatAllocatedMuchOfWhatItUses(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		what string
		now  heap
		busy bool
	}{
		{"little", heap{allocated: 1060 * mib, live: 20 * mib}, false},
		{"much", heap{allocated: 1064 * mib, live: 20 * mib}, true},
		{"much, but little of what is in use", heap{allocated: 1300 * mib, live: 200 * mib}, false},
		{"much of what is in use", heap{allocated: 1400 * mib, live: 200 * mib}, true},
	} {
		if busy := c.now.busy(heap{allocated: 1000 * mib}); busy != c.busy {
			t.Errorf("%s: busy %v", c.what, busy)
		}
	}
}

func TestWhatIsKeptForMoreWorkIsGivenBackWhenThereIsNone(t *testing.T) {
	pool := sync.Pool{New: func() any { return new([64 << 20]byte) }}
	pool.Put(pool.Get())
	before := readHeap().objects
	tidyUp()
	if after := readHeap().objects; before < 64<<20 || after > before-63<<20 {
		t.Errorf("%d MiB are left of %d", after>>20, before>>20)
	}
}

func TestOnlyTheFirstConnectionsAreKeptTogether(t *testing.T) {
	forced := func() uint32 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.NumForcedGC
	}
	moved := func(trimmer *Trimmer, n int) {
		for range n {
			trimmer.Moved()
		}
	}
	var first, late Trimmer
	late.moved.Store(earlyCount)
	before := forced()
	moved(&first, earlyEvery-1)
	moved(&late, 2*earlyEvery)
	if n := forced() - before; n != 0 {
		t.Errorf("%d collections for connections that are not to have one", n)
	}
	moved(&first, 1)
	for deadline := time.Now().Add(30 * time.Second); forced() == before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is collected for the first connections")
		}
	}
}
