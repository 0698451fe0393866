package feed

import (
	"context"
	"slices"
	"sync"
	"time"

	"weft/jetstream/event"
)

// Reasons of a Reset.
const (
	ReasonTrimmed   = "trimmed"   // retention removed events
	ReasonRecreated = "recreated" // the stream is another one
	ReasonUnknown   = "unknown"   // the id is none that this cluster gave
)

// How a connection begins.
const (
	ResumeNew   = "new"
	ResumeExact = "exact"
	ResumeSince = "since"
	ResumeReset = "reset"
)

// A Start is from where on a connection follows. The zero value is now.
type Start struct {
	// LastID is a cursor, after which it goes on.
	LastID string
	// Since is a time, when there is no LastID: it begins with all that is stored since
	// then, and that retention has removed some of it is not told. A time to come is now.
	Since time.Time
}

// A Reset tells that events of these subjects may be gone that the client has
// not seen. Nothing older than the reset's id follows.
type Reset struct {
	Subjects []string `json:"subjects"`
	Reason   string   `json:"reason"`
}

// Opened says how a connection begins.
type Opened struct {
	ID       string // the client's own when it resumes exactly, else where it stands now
	Resume   string // new, exact, since or reset
	Subjects []string
}

// A Receiver is a connection's side of a Reader. All its methods but Room and Owner are
// called one at a time, with the Reader's lock held: they must not block and
// must not call the Reader.
type Receiver interface {
	// Opened is called once, before anything else.
	Opened(o Opened)
	// Reset comes at its place between events; id is the new head.
	Reset(r Reset, id string)
	// Event hands over one event. With an empty id the client's cursor is
	// m.ID(), else it is id.
	Event(m *Message, id string)
	// Keepalive is called from Reader.Keepalive with the moved cursor, or ""
	// when it must stay.
	Keepalive(id string)
	// CaughtUp is called when all that was stored has been handed over, after
	// Follow and after each Subscribe.
	CaughtUp()
	// Room blocks until the connection's queue has room for more history, or
	// ctx ends. It is called without locks.
	Room(ctx context.Context) error
	// Owner is whose share of the node's wildcards the connection has, always the
	// same. It may be called at any time.
	Owner() string
}

// A Reader is one connection's set of subjects. Its methods may be called
// concurrently.
type Reader struct {
	hub      *Hub
	lifetime lifetime

	joins sync.Mutex // one Subscribe or Unsubscribe at a time

	rcv    Receiver // this and what follows is what an event needs
	mu     sync.Mutex
	subs   []*subscription
	low    uint64 // all up to here was handed over, on every subject
	closed bool
	steady bool           // all subs are exact and live: only their feeds may be behind
	stream event.StreamID // which low and the positions are of
	at     uint64         // the standing after the newest event, 0 when others do not share it
}

// Follow attaches a connection to subjects, which the caller has checked. What cannot be
// gone on from is told by a reset. It returns once rcv.Opened was
// called; history follows in the background. While the store does not answer
// it goes on trying until ctx ends. Other errors: ErrPatterns.
func (h *Hub) Follow(ctx context.Context, subjects []string, start Start, rcv Receiver) (*Reader, error) {
	r := &Reader{hub: h, rcv: rcv}
	j, err := r.join(ctx, subjects, start, nil)
	if err != nil {
		r.Close()
		return nil, err
	}
	r.low = j.now
	err = r.begin(j, func() { rcv.Opened(r.openedLocked(j, start)) })
	if err != nil {
		return nil, err
	}
	return r, nil
}

// openedLocked says how a connection begins that has joined its first subjects.
func (r *Reader) openedLocked(j *join, start Start) Opened {
	o := Opened{ID: start.LastID, Resume: ResumeExact, Subjects: make([]string, 0, len(j.subs))}
	for _, s := range j.subs {
		o.Subjects = append(o.Subjects, s.feed.subject)
	}
	switch {
	case len(j.lost) > 0:
		o.Resume = ResumeReset
	case start.LastID != "" && j.reason == "":
	case start.LastID != "", start.Since.IsZero(): // of a bad id nothing is lost to who follows no events
		o.Resume = ResumeNew
	default:
		o.Resume = ResumeSince
	}
	if o.Resume == ResumeReset {
		if _, err := event.ParseCursor(start.LastID); err == nil {
			return o // who is cut off before the reset comes back with it, and is told then
		}
	}
	if o.Resume != ResumeExact {
		o.ID = r.cursorLocked()
	}
	return o
}

// Subscribe adds subjects, from a cursor or from now. It returns once they are
// in force; history follows in the background. Subjects that are followed
// already are left as they are. Errors as Follow.
func (r *Reader) Subscribe(ctx context.Context, subjects []string, lastID string) error {
	return r.Exchange(ctx, subjects, lastID, nil)
}

// Exchange is Subscribe and then Unsubscribe of others, or neither. Wildcards that are
// let go leave their places to those that are added.
func (r *Reader) Exchange(ctx context.Context, subjects []string, lastID string, others []string) error {
	if err := r.add(ctx, subjects, lastID, others); err != nil {
		return err
	}
	r.Unsubscribe(others)
	return nil
}

func (r *Reader) add(ctx context.Context, subjects []string, lastID string, leaving []string) error {
	r.joins.Lock()
	defer r.joins.Unlock()
	r.mu.Lock()
	subjects = slices.DeleteFunc(slices.Clone(subjects), func(subject string) bool { return r.findLocked(subject) != nil })
	r.mu.Unlock()
	j, err := r.join(ctx, subjects, Start{LastID: lastID}, leaving)
	if err != nil {
		return err
	}
	return r.begin(j, func() {})
}

// Unsubscribe lets subjects go.
func (r *Reader) Unsubscribe(subjects []string) {
	r.joins.Lock()
	defer r.joins.Unlock()
	for _, subject := range subjects {
		r.mu.Lock()
		s := r.findLocked(subject)
		if s != nil {
			// What was handed over of it is not needed for the cursor any more.
			s.changeLocked(isLetGo)
			r.subs = slices.DeleteFunc(r.subs, func(o *subscription) bool { return o == s })
			r.at = 0
			for _, o := range r.subs {
				o.handBackLocked(s)
			}
		}
		r.mu.Unlock()
		if s != nil {
			s.feed.detach(s)
		}
	}
}

// Subjects returns what is followed.
func (r *Reader) Subjects() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]string, len(r.subs))
	for i, s := range r.subs {
		list[i] = s.feed.subject
	}
	return list
}

// Keepalive calls rcv.Keepalive in order with the events.
func (r *Reader) Keepalive() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	id := ""
	if r.advanceLocked() && !slices.ContainsFunc(r.subs, func(s *subscription) bool { return s.pos > r.low }) {
		id = r.hub.watermarkIDOf(r.stream, r.low)
	}
	r.rcv.Keepalive(id)
}

// Cursor returns what the client holds once all that was handed over has
// reached it.
func (r *Reader) Cursor() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advanceLocked()
	return r.cursorLocked()
}

// Close lets go of everything. rcv is not called afterwards. It may be called
// again.
func (r *Reader) Close() {
	r.lifetime.end()
	r.mu.Lock()
	r.closed = true
	subs := r.subs
	r.subs = nil
	for _, s := range subs {
		s.changeLocked(isLetGo)
	}
	r.mu.Unlock()
	for _, s := range subs {
		s.feed.detach(s)
	}
}

func (r *Reader) findLocked(subject string) *subscription {
	for _, s := range r.subs {
		if s.feed.subject == subject {
			return s
		}
	}
	return nil
}

// emitLocked hands over one message of a subscription unless the connection has it.
func (r *Reader) emitLocked(s *subscription, m *Message) {
	if m.Seq <= s.pos {
		return
	}
	s.pos = m.Seq
	from := r.at
	r.at = 0
	if m.dropped || s.feed.wild && (m.Seq <= s.brought[m.Subject] || r.otherLocked(s, m.Subject)) {
		return
	}
	if len(r.subs) == 1 {
		// What comes while history is read may be older than the low watermark that a
		// fresh connection begins with, never than the client's own cursor.
		r.rcv.Event(m, "")
		return
	}
	r.advanceLocked()
	r.rcv.Event(m, r.cursorAfterLocked(m, from))
}

// otherLocked reports whether a subject that a wildcard matched is brought by
// another subscription: by its exact subject, or by a wildcard before this one.
func (r *Reader) otherLocked(s *subscription, subject string) bool {
	before := true
	for _, o := range r.subs {
		switch {
		case o == s:
			before = false
		case !o.feed.wild && o.feed.subject == subject:
			return true
		case before && o.matches(subject):
			return true
		}
	}
	return false
}

// advanceLocked moves the low watermark up to the node's when everything below that was
// handed to this connection. It reports whether it was allowed to.
func (r *Reader) advanceLocked() bool {
	low := r.hub.lowWatermark()
	if r.steady && r.hub.catchingUp.Load() == 0 {
		r.low = max(r.low, low)
		return true
	}
	exact := true
	for _, s := range r.subs {
		if !s.settledLocked() {
			return false
		}
		if s.feed.wild {
			exact = false
			low = min(low, s.feed.reached.Load())
		}
	}
	r.steady = exact
	r.low = max(r.low, low)
	return true
}

// startOverLocked makes the positions those of a stream that was made anew: none of the one
// before may stand in a cursor of the new one, though all but one subscription have yet to
// be told.
func (r *Reader) startOverLocked() {
	r.low, r.at = 0, 0
	if current := r.hub.streamID(); r.stream != current {
		r.stream = current
		for _, s := range r.subs {
			s.pos = 0
		}
	}
}

// cursorLocked encodes the connection's cursor.
func (r *Reader) cursorLocked() string {
	if len(r.subs) == 1 {
		return event.CursorText(r.stream, max(r.low, r.subs[0].pos), nil)
	}
	var few [8]event.Position
	return event.CursorText(r.stream, r.low, appendBeyond(few[:0], r.subs, r.low))
}

// appendBeyond appends the positions of subscriptions of one reader that are beyond low.
func appendBeyond(above []event.Position, subs []*subscription, low uint64) []event.Position {
	for _, s := range subs {
		if s.pos > low {
			above = append(above, event.Position{Subject: s.feed.hash, Seq: s.pos})
		}
	}
	return above
}

// cursorAfterLocked is the cursor after a message, which others share who stand at the same
// place. from is where the connection stood before. Who stood there, too, and has the same
// low watermark, stands at the same place again: then there is no need to look at the
// subscriptions, of which each connection has its own.
func (r *Reader) cursorAfterLocked(m *Message, from uint64) string {
	if m.FanOut() < 2 {
		return r.cursorLocked()
	}
	first := m.standings.Load()
	if from != 0 {
		for p := first; p != nil; p = p.next {
			if p.from == from && p.floor == r.low {
				r.at = p.number
				return p.id
			}
		}
	}
	for p := first; p != nil; p = p.next {
		if p.floor == r.low && p.stream == r.stream && p.isOf(r.subs) {
			r.at = p.number
			return p.id
		}
	}
	var few [8]event.Position
	p := m.stand(r.stream, r.low, appendBeyond(few[:0], r.subs, r.low), from)
	r.at = p.number
	return p.id
}

// resetLocked tells the connection that history of subscriptions is gone.
func (r *Reader) resetLocked(subs []*subscription, reason string) {
	reset := Reset{Reason: reason}
	for _, s := range subs {
		reset.Subjects = append(reset.Subjects, s.feed.subject)
	}
	r.hub.metrics.resets.Inc()
	r.at = 0 // their positions have changed
	r.rcv.Reset(reset, r.cursorLocked())
}
