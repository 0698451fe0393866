package transport

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"weft/edge/session"
	"weft/edge/wire"
	"weft/jetstream/feed"
)

// Bounds of one poll's answer; what is beyond comes with the next poll. One
// event of any size always fits, also after small ones.
const (
	// MaxPollEvents is how many events a response has at most.
	MaxPollEvents = 256
	maxPollBytes  = 1 << 20
	// cutPollBytes is what an answer has at least when the next event is left for the next poll,
	// so that one that is short is known to be all there is, whatever its spelling.
	cutPollBytes = 640 << 10
)

// overtime is for how long after its time a poll waits for the store to say what there is.
const overtime = 10 * time.Second

// A pollBuffer is the session.Outbox of a long poll: it gathers until it is full, and
// what comes then is left for the next poll.
type pollBuffer struct {
	format wire.Format // fixed
	past   bool        // fixed: what is stored is the answer, even if that is nothing

	mu     sync.Mutex
	ready  func() // called once, when the poll can be answered; nil until somebody waits
	got    batch
	bytes  int
	caught bool
	full   bool
	told   bool        // there was something to answer
	over   bool        // the session has ended
	atOnce bool        // nothing need have come, and nothing need have been read
	late   bool        // the time is up: what is stored is the answer, even if that is nothing
	states *pollStates // of presence, nil when none is followed
}

// A batch is what a buffer gathered.
type batch struct {
	events     []pollEvent
	cursor     string
	reset      bool
	resets     []json.RawMessage
	detail     string            // what an operator says of the end
	presence   []json.RawMessage // states, and what stands for all of them
	presenceID string
}

// A pollEvent is one event as JSON, in two pieces of which the second is shared.
type pollEvent struct{ head, rest []byte }

// await makes the buffer call ready, once, when the poll can be answered, or at once
// if it can. ready must not block.
func (b *pollBuffer) await(ready func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.told {
		ready()
		return
	}
	b.ready = ready
}

// take returns what was gathered and closes the buffer.
func (b *pollBuffer) take() *batch {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.full = true
	h := b.got
	if b.states != nil {
		b.states.patience.Stop()
		h.presence, h.presenceID = b.states.list()
	}
	return &h
}

// hurry makes the poll be answered as soon as what is stored has been read, although
// nothing came; but not later than after overtime.
func (b *pollBuffer) hurry() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.late = true
	if b.tell(); !b.told {
		time.AfterFunc(overtime, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.atOnce = true
			b.tell()
		})
	}
}

// quiet reports whether the poll is answered because its time is up.
func (b *pollBuffer) quiet() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.late && len(b.got.events) == 0
}

// answers reports whether the poll is to be answered before anybody waits for it.
func (b *pollBuffer) answers() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.atOnce && b.answersLocked()
}

// answersLocked reports whether there is something to answer.
func (b *pollBuffer) answersLocked() bool {
	switch {
	case b.over:
		return true
	case b.states != nil && !b.states.hasty && !b.states.complete():
		return false
	case b.atOnce || b.full:
		return true
	}
	return b.caught && (b.past || b.late || len(b.got.events) > 0 || b.got.reset || b.states != nil && b.states.differ())
}

// tell tells when there is something to answer.
func (b *pollBuffer) tell() {
	if b.told || !b.answersLocked() {
		return
	}
	b.told = true
	if b.ready != nil {
		b.ready()
	}
}

// Opened implements session.Outbox.
func (b *pollBuffer) Opened(_ *session.Session, o feed.Opened) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got.cursor = o.ID
	b.got.reset = o.Resume == "reset"
}

// Control implements session.Outbox. A response has no room for frames but for resets.
func (b *pollBuffer) Control(typ, id string, data []byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.full {
		return true
	}
	if id != "" {
		b.got.cursor = id
	}
	if typ == wire.TypeReset {
		b.got.reset = true
		b.got.resets = append(b.got.resets, data)
		b.tell()
	}
	return true
}

// Event implements session.Outbox.
func (b *pollBuffer) Event(m *feed.Message, id string) bool {
	head, rest := b.format.Event(m, id)
	n := len(head) + len(rest)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.full {
		return true
	}
	if b.bytes >= cutPollBytes && b.bytes+n > maxPollBytes {
		b.full = true
		b.tell()
		return true
	}
	b.got.events = append(b.got.events, pollEvent{head, rest})
	b.bytes += n
	b.move(m, id)
	b.full = len(b.got.events) == MaxPollEvents
	b.tell()
	return true
}

// Skipped implements session.Outbox.
func (b *pollBuffer) Skipped(m *feed.Message, id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.full {
		b.move(m, id)
	}
}

func (b *pollBuffer) move(m *feed.Message, id string) {
	if id == "" {
		id = m.ID()
	}
	b.got.cursor = id
}

// Keepalive implements session.Outbox.
func (b *pollBuffer) Keepalive(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if id != "" && !b.full {
		b.got.cursor = id
	}
}

// CaughtUp implements session.Outbox.
func (b *pollBuffer) CaughtUp() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.caught = true
	b.tell()
}

// Room implements session.Outbox. A full buffer wants no more replay; it is about
// to be let go.
func (b *pollBuffer) Room(ctx context.Context) error {
	b.mu.Lock()
	full := b.full
	b.mu.Unlock()
	if !full {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

// Drop implements session.Outbox. Nobody changes what a poll follows.
func (*pollBuffer) Drop(func(string) bool) {}

// Settle implements session.Outbox.
func (*pollBuffer) Settle(context.Context) error { return nil }

// End implements session.Outbox.
func (b *pollBuffer) End(c session.Cause, detail string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.full, b.over = true, true
	b.got.detail = detail
	if c.Ending().Cut {
		b.got.events = nil
	}
	b.tell()
}
