package feed

import (
	"bytes"
	"crypto/rand"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// stateTry bounds one question for the state of the stream.
const stateTry = 2 * time.Second

// ticks is what a node knows of how far it has read.
type ticks struct {
	made      time.Time     // the wall clock may jump; the time since then does not
	low       atomic.Uint64 // the low watermark: the last safe tick
	last      atomic.Uint64 // the newest tick read
	high      atomic.Uint64 // the highest sequence read
	when      atomic.Int64  // of the newest tick, nanoseconds since made; 0: none
	epoch     atomic.Uint64 // counts what may have lost copies
	news      atomic.Uint64 // the newest of all else that was read
	resyncing atomic.Bool

	mu   sync.Mutex
	sent [][]byte // payloads of ticks that have not come back, the oldest first
}

// maxSent bounds the ticks that may still come back.
const maxSent = 64

// payload makes the payload of a tick, by which the node knows it again.
func (t *ticks) payload() []byte {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the process instead
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.sent) == maxSent {
		t.sent = slices.Delete(t.sent, 0, 1)
	}
	t.sent = append(t.sent, b)
	return b
}

// own reports whether a tick is one of this node's that has not come back yet.
// Nobody else can make one.
func (t *ticks) own(payload []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.sent, func(b []byte) bool { return bytes.Equal(b, payload) })
	if i < 0 {
		return false
	}
	t.sent = slices.Delete(t.sent, i, i+1)
	return true
}

func (t *ticks) seen(seq uint64) {
	t.last.Store(seq)
	t.when.Store(int64(time.Since(t.made)) + 1)
}

// passed is called by the one reader only.
func (t *ticks) passed(seq uint64) {
	if seq > t.high.Load() {
		t.high.Store(seq)
	}
}

func (t *ticks) age() time.Duration {
	w := t.when.Load()
	if w == 0 {
		return time.Duration(1<<63 - 1)
	}
	return time.Since(t.made) - time.Duration(w)
}

// lowWatermark is the sequence up to which everything has been handed on.
func (h *Hub) lowWatermark() uint64 { return h.ticks.low.Load() }

// disturb says that copies may have been lost, or come from a leader that has not noticed
// that it is none any more: all since the low watermark is looked at again.
func (t *ticks) disturb() { t.epoch.Add(1) }
