package presence

import (
	"crypto/rand"
	"encoding/json"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"weft/jetstream/subject"
)

// gather is for how long changes are gathered before nodes are told: of several at once
// to one subject they hear the last.
const gather = 50 * time.Millisecond

// maxCount is more than any node can have.
const maxCount = 1 << 30

func plausible(connections int) bool { return 0 <= connections && connections <= maxCount }

// A hint is what a node says of one of its counts.
type hint struct {
	Node string `json:"node"`
	// Run is of the process, so that one that runs no more is not believed.
	Run string `json:"run"`
	// Seq grows with each count that the process says: the greatest is the newest.
	Seq         uint64 `json:"seq"`
	Connections int    `json:"connections"`
	// Peak is how many there were since the hint before, when that is more: a page that
	// was open for a moment was there.
	Peak int `json:"peak,omitempty"`
}

// encode is the same as JSON. A run needs no escaping, and a node's name is escaped once.
func (h *hint) encode(b []byte, node string) []byte {
	b = append(append(b, `{"node":`...), node...)
	b = append(append(append(b, `,"run":"`...), h.Run...), `","seq":`...)
	b = strconv.AppendUint(b, h.Seq, 10)
	b = strconv.AppendInt(append(b, `,"connections":`...), int64(h.Connections), 10)
	if h.Peak > 0 {
		b = strconv.AppendInt(append(b, `,"peak":`...), int64(h.Peak), 10)
	}
	return append(b, '}')
}

// readHint reads what another node said; of what it cannot mean it is false.
func readHint(data []byte) (h hint, ok bool) {
	if json.Unmarshal(data, &h) != nil || h.Node == "" || h.Run == "" || !plausible(h.Connections) || !plausible(h.Peak) {
		return hint{}, false
	}
	return h, true
}

// hints are the changes of this node that are to be said.
type hints struct {
	run     string
	seq     atomic.Uint64
	metrics *metrics
	wake    chan struct{} // has room for one

	mu      sync.Mutex
	changed map[string]int // the most connections that they had
	since   time.Time      // when the first of them came; zero: there are none
}

func newHints(m *metrics) *hints {
	return &hints{run: rand.Text(), metrics: m, wake: make(chan struct{}, 1), changed: map[string]int{}}
}

// add enters a subject whose count has changed, to so many.
func (h *hints) add(s string, connections int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changed[s] = max(h.changed[s], connections)
	if h.since.IsZero() {
		h.since = time.Now()
		nudge(h.wake)
	}
}

// take returns the subjects that have been gathered, or when there will be some; zero:
// when one is added.
func (h *hints) take(now time.Time) (changed map[string]int, next time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.since.IsZero() {
		return nil, time.Time{}
	}
	if due := h.since.Add(gather); now.Before(due) {
		return nil, due
	}
	changed, h.changed, h.since = h.changed, map[string]int{}, time.Time{}
	return changed, time.Time{}
}

// sendHints says what has been gathered, to this node's own watchers, too, and returns when
// there is more.
func (p *Presence) sendHints(now time.Time) (next time.Time) {
	changed, next := p.hints.take(now)
	if len(changed) == 0 {
		return next
	}
	alone := p.p.Members() <= 1
	node, _ := json.Marshal(p.p.Node) // of a string it does not fail
	var b []byte
	for s, peak := range changed {
		h := hint{Node: p.p.Node, Run: p.hints.run, Seq: p.hints.seq.Add(1)}
		if h.Connections = p.connections(s); peak > h.Connections {
			h.Peak = peak
		}
		p.watchers.take(s, h)
		if alone {
			continue
		}
		b = h.encode(b[:0], string(node))
		if p.bus.Publish(subject.PresenceOf(s), b) != nil { // the connection is being made anew
			p.hints.add(s, peak)
			continue
		}
		p.hints.metrics.sent.Inc()
	}
	return next
}

// nudge wakes whoever waits for a channel that has room for one.
func nudge(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}
