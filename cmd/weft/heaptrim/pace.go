package heaptrim

import (
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
)

const (
	// goPercent is Go's own pace: as much garbage as memory in use.
	goPercent = 100
	// tightHeap is up to what size, in bytes, a heap grows at that pace. A greater one
	// is collected earlier, so that it stays below, but not at less garbage than
	// leastPercent: each collection looks through all that is in use.
	tightHeap    = 448 << 20
	leastPercent = 50
	// paceStep is by how many points a pace changes at least: to set it stops the process
	// for a moment.
	paceStep = 5
)

// paceOf is how much garbage there may be with so many bytes in use, in per cent of them.
func paceOf(live uint64) int {
	switch {
	case live <= tightHeap/2:
		return goPercent
	case live >= tightHeap:
		return leastPercent
	}
	return max(leastPercent, int((tightHeap-live)*100/live))
}

// A pacer sets the pace anew after each collection, until it is stopped. Who has set GOGC
// in the environment keeps it.
type pacer struct {
	stopped atomic.Bool
	percent int // of the goroutine that runs clean-ups
}

// A collected is garbage from the start: when it is cleaned up there was a collection. It
// has a pointer, since tiny objects without one share their memory.
type collected struct{ _ *pacer }

func startPacer() *pacer {
	p := &pacer{percent: goPercent}
	if os.Getenv("GOGC") == "" {
		p.await()
	}
	return p
}

// await calls adjust after the next collection.
func (p *pacer) await() { runtime.AddCleanup(&collected{}, (*pacer).adjust, p) }

func (p *pacer) adjust() {
	if p.stopped.Load() {
		return
	}
	if want := paceOf(readHeap().live); want-p.percent >= paceStep || p.percent-want >= paceStep {
		p.percent = want
		debug.SetGCPercent(want)
	}
	p.await()
}

// stop leaves the pace to Go. It does not wait for an adjustment that runs.
func (p *pacer) stop() {
	if !p.stopped.Swap(true) && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(goPercent)
	}
}
