// Package heaptrim paces the garbage collector of the whole process by what happens to
// connections and how much there is to do, since Go knows only how much is allocated.
//
// It promises that what storms of connections, and floods of events, leave behind goes back
// to the system, and costs little processor time while there is work to do; and that a heap
// that has grown large is collected earlier than Go would. It changes nothing of what a
// node does: without it memory is given back later, or never.
package heaptrim

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

const (
	// stormSize is how many connections must have come and gone for their garbage
	// to matter.
	stormSize = 1000
	// lookEvery is how often it is looked whether a storm is over.
	lookEvery = 10 * time.Second
	// quietBytes is how much a node allocates from one look to the next at most
	// when it has little to do.
	quietBytes = 4 << 20
	// A node was busy that has allocated busyBytes, and busyTimes what is in use, since all
	// was tidied up.
	busyBytes = 64 << 20
	busyTimes = 2
	// thorough is how many collections it takes until nothing is left of what a node
	// does not use: buffers that are kept for the next one go with the second after the
	// last use (sync.Pool), and those that are put back when their user is collected
	// with the third.
	thorough = 3
	// Garbage may be the tidyPart of the memory in use of such a node, and the largePart
	// of what is beyond largeHeap: to find it takes longer there, and more connections
	// share it.
	tidyPart  = 20
	largePart = 8
	largeHeap = 16 << 20
	// The first earlyCount connections are let in with a collection of garbage for
	// every earlyEvery.
	earlyCount = 1024
	earlyEvery = 128
)

// A storm notices when many connections have come or gone and no more do.
type storm struct{ seen, size int64 }

// over is told how many have come and gone so far, now and then. It is true once
// for a storm that is over.
func (s *storm) over(moved int64) bool {
	lately := moved - s.seen
	s.seen = moved
	s.size += lately
	if s.size < stormSize || lately > stormSize/100 {
		return false
	}
	s.size = 0
	return true
}

// A heap is what the runtime says of its memory, in bytes.
type heap struct {
	allocated uint64 // ever
	objects   uint64 // in use, and garbage
	live      uint64 // in use when garbage was last collected
}

func readHeap() heap {
	samples := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/live:bytes"},
	}
	metrics.Read(samples)
	return heap{samples[0].Value.Uint64(), samples[1].Value.Uint64(), samples[2].Value.Uint64()}
}

// untidy reports whether it is worth the time to collect garbage: there is some,
// and little else to do. Go itself would wait for two minutes, or until there is as
// much garbage as memory in use.
func (h heap) untidy(before heap) bool {
	tolerable := h.live/tidyPart + (max(h.live, largeHeap)-largeHeap)/largePart
	return h.quiet(before) && h.objects > h.live+tolerable
}

// quiet reports whether there is little to do.
func (h heap) quiet(before heap) bool { return h.allocated-before.allocated < quietBytes }

// busy reports whether there was so much to do since all was tidied up that much is kept
// for more of it.
func (h heap) busy(tidied heap) bool {
	return h.allocated-tidied.allocated >= max(busyBytes, busyTimes*h.live)
}

// A Trimmer collects garbage when it pays. Its zero value is ready for use.
type Trimmer struct {
	moved atomic.Int64 // connections that have come, and those that have gone
}

// Run gives memory back to the system once a storm of connections is over, and while
// there is little to do, until ctx ends. Go would keep a part of what handshakes have
// taken as a reserve for the next one.
func (t *Trimmer) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	defer startPacer().stop()
	before := readHeap()
	tidied := before
	for s := (storm{}); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			now := readHeap()
			switch over := s.over(t.moved.Load()); {
			case now.quiet(before) && now.busy(tidied):
				tidyUp()
				now = readHeap()
				tidied = now
			case over, now.untidy(before):
				debug.FreeOSMemory()
				now = readHeap()
			}
			before = now
		}
	}
}

// tidyUp collects all that is not in use.
func tidyUp() {
	for range thorough - 1 {
		runtime.GC()
	}
	debug.FreeOSMemory()
}

// Moved is told of each connection that has come, and of each that has gone. It may be
// called concurrently and does not wait.
//
// What the handshakes of the first ones leave behind lies between what stays, and Go
// would not make use of the room before there is as much again. A collection costs
// little then, and a sixth of the memory of these connections is saved.
func (t *Trimmer) Moved() {
	if n := t.moved.Add(1); n <= earlyCount && n%earlyEvery == 0 {
		go runtime.GC()
	}
}
