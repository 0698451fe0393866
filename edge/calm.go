package edge

import (
	"context"
	"runtime/debug"
	"time"
)

const (
	// stormSize is how many connections must have come and gone for their garbage
	// to matter.
	stormSize = 1000
	// calmEvery is how often it is looked whether a storm is over.
	calmEvery = 10 * time.Second
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

// calmDown gives memory back to the system once a storm of connections is over.
// Go would keep a part of what their handshakes have taken as a reserve for the next
// one.
func (e *Edge) calmDown(ctx context.Context) {
	t := time.NewTicker(calmEvery)
	defer t.Stop()
	for s := (storm{}); ; {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if s.over(e.moved.Load()) {
				debug.FreeOSMemory()
			}
		}
	}
}
