package feed

import (
	"bytes"
	"crypto/rand"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"weft/jetstream/api"
	"weft/jetstream/event"
)

const (
	tickEvery  = 250 * time.Millisecond
	startEvery = 10 * time.Millisecond // until the first one is safe
	stateTry   = 2 * time.Second
	stallAfter = time.Second
	// relinkSettle is how long after a link was made a leader that was cut off may
	// go on answering, until it hears of the one that there is meanwhile.
	relinkSettle = 2 * time.Second
	// quietEvery is how often a standalone node asks for the state of the stream
	// while nothing but ticks comes.
	quietEvery = time.Second
	// markEvery is the longest time between two marks.
	markEvery = time.Minute
)

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

func (t *ticks) disturb() { t.epoch.Add(1) }

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

// safe is the sequence up to which everything has been handed on.
func (h *Hub) lowWatermark() uint64 { return h.ticks.low.Load() }

// view is the state of the stream at one tick, to compare the next with.
type view struct {
	leader string
	since  time.Time
	epoch  uint64
	id     event.StreamID
}

// A watch sends ticks and decides which are safe.
type watch struct {
	*Hub
	marked, asked, stalled time.Time
	before                 view
	known                  bool // before is set
	settling               bool // a link is so new that the leader's word may be old
}

// tick sends ticks until the hub is closed.
func (h *Hub) tick() {
	timer := time.NewTicker(tickEvery)
	defer timer.Stop()
	w := &watch{Hub: h}
	for h.ctx.Err() == nil {
		term := h.node.Leader().Epoch()
		w.send()
		w.settle()
		if !w.quiet() {
			w.look()
		}
		w.stall()
		if h.lowWatermark() == 0 {
			api.Sleep(h.ctx, startEvery)
			continue
		}
		select {
		case <-h.ctx.Done():
		case <-term.Done():
		case <-timer.C:
		}
	}
}

// send sends a tick, now and then one that marks the time.
func (w *watch) send() {
	every := min(markEvery, w.node.Limits().MaxAge/20)
	mark := ""
	if now := time.Now(); now.Sub(w.marked) >= every {
		mark, w.marked = strconv.FormatInt(now.UnixMilli()/every.Milliseconds(), 10), now
	}
	if err := w.node.Tick(mark, w.ticks.payload()); err != nil {
		w.marked = time.Time{} // it was not sent
	}
}

// settle waits until the links between nodes are old enough for the leader's word to count.
func (w *watch) settle() {
	settled := time.Since(w.node.Relinked()) > relinkSettle
	if settled && w.settling {
		w.ticks.disturb() // what feeds were told when they were opened may be old
	}
	w.settling = !settled
}

// quiet reports whether the stream need not be asked: on a standalone node there is
// no leader that could have changed, and when the low watermark is beyond all that was
// handed on nobody waits for it to rise.
func (w *watch) quiet() bool {
	return w.known && !w.node.Clustered() && w.ticks.epoch.Load() == w.before.epoch &&
		w.lowWatermark() > w.ticks.news.Load() && time.Since(w.asked) < quietEvery
}

// look moves the low watermark up to the last tick that came back, unless something has
// changed since the last look by which copies may have been lost.
func (w *watch) look() {
	w.asked = time.Now()
	tick, epoch := w.ticks.last.Load(), w.ticks.epoch.Load()
	st, err := w.state.fresh(w.ctx)
	if err != nil {
		return
	}
	now := view{st.Leader, st.LeaderSince, epoch, st.ID}
	resyncing := w.ticks.resyncing.Load()
	switch {
	case !w.known:
		w.stream.Store(&st.ID)
	case now.id != w.before.id:
		w.recreated(st.ID)
	case now != w.before && resyncing:
		now = w.before // it is looked at again when the other is done
	case now != w.before:
		w.startResync(st)
	case w.settling && w.lowWatermark() > 0: // it stays where the next resync begins
	case tick > w.lowWatermark() && tick <= st.Last && !resyncing && w.ticks.epoch.Load() == epoch:
		w.ticks.low.Store(tick)
		w.metrics.watermark.Set(float64(tick))
	}
	w.before, w.known = now, true
}

// stall notes that no tick comes back: what came meanwhile may be lost, too.
func (w *watch) stall() {
	if now := time.Now(); w.lowWatermark() > 0 && w.ticks.age() > stallAfter && now.Sub(w.stalled) > stallAfter {
		w.stalled = now
		w.ticks.disturb()
	}
}
