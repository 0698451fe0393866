// Package session keeps the open connections of a node.
//
// A Session is a record driven by events: the feed delivers to it, the Wheel
// tells it the time, a Change alters what it follows, and End ends it, once,
// with a Cause. It has no goroutine of its own; what it has to say lies in its
// Outbox until the transport takes it. The Registry finds sessions by id, by
// token and by user, so that a revoked token costs what it touches.
package session

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"weft/edge/auth"
	"weft/edge/chain"
	"weft/jetstream/feed"
	"weft/jetstream/subject"
)

// A Reader is what a session follows; *feed.Reader is one.
type Reader interface {
	// Exchange adds subjects, from a cursor or from now, and lets go of others, or fails.
	Exchange(ctx context.Context, subjects []string, lastID string, others []string) error
	Unsubscribe(subjects []string)
	Subjects() []string
	Keepalive()
	Cursor() string
	Close()
}

// An Outbox holds what a session tells its client until the transport sends
// it. But for Control, State and End, calls come one at a time; none but Room may block.
type Outbox interface {
	// Opened is told first.
	Opened(s *Session, o feed.Opened)
	// Control is a frame of Weft's own: data is JSON, or nil; id moves the client's
	// cursor unless it is "". It is told in order with Event. Both are false when there
	// is no room for it, which ends the session.
	Control(typ, id string, data []byte) bool
	Event(m *feed.Message, id string) bool
	// Skipped is an event that the client does not want: only its id counts.
	Skipped(m *feed.Message, id string)
	// State is the newest state of a subject of presence: data is that of weft.presence,
	// which moves no cursor. It takes the place of was, which State returned for the one
	// before, if that is not on its way yet. It is nil when there is no room, and to be
	// called again then.
	State(subject string, data, was []byte) []byte
	// Keepalive moves the client's cursor to id, unless that is "".
	Keepalive(id string)
	// CaughtUp is told when all replays are done.
	CaughtUp()
	// Room blocks until there is room for more replay, or ctx ends.
	Room(ctx context.Context) error
	// Drop forgets the events that wait, of subjects that are gone. What is being sent
	// is not recalled.
	Drop(gone func(subject string) bool)
	// Settle blocks until what is being sent has been, or ctx ends.
	Settle(ctx context.Context) error
	// End is told once; it may come at any time, from any goroutine. detail is what an
	// operator says of it, or "".
	End(c Cause, detail string)
}

// About describes a connection to an operator.
type About struct {
	ID        string    `json:"id"`
	Node      string    `json:"node"`
	Transport string    `json:"transport"`
	Since     time.Time `json:"since"`
	Address   string    `json:"address"`
	Agent     string    `json:"agent"`
	// Device is what the client calls itself, nil when it does not.
	Device *string `json:"device,omitempty"`
}

// maxAgent bounds what is kept of a User-Agent.
const maxAgent = 200

// A Session is one open connection. Its methods may be called concurrently.
type Session struct {
	about     About
	filters   atomic.Pointer[filters] // nil when all events are wanted
	out       Outbox
	delivered func()
	alive     func() bool
	release   func()

	changing sync.Mutex // held by one Change at a time

	mu       sync.Mutex
	identity *auth.Identity
	asked    []string // subjects beyond the identity's own
	reader   Reader
	presence *presences      // nil when none is followed
	settled  bool            // a Reader was attached, or will not be
	waiting  []chan struct{} // for that
	ended    bool
	cause    Cause
	told     bool // the outbox was
	atEnd    []*func()

	entry entry                   // of the Wheel
	links [2]chain.Links[Session] // of the Registry
}

// Config is what a session begins with.
type Config struct {
	About    About
	Identity *auth.Identity
	// Asked are the subjects to follow beside the identity's own; Check has
	// passed them.
	Asked  []string
	Filter Filter
	Outbox Outbox
	// Delivered is called for each event that the Outbox took. It must not
	// block.
	Delivered func()
	// Alive, when it is there, is asked before each keep-alive; false ends the
	// session because its client has left without a word. It must not block.
	Alive func() bool
	// Release, when it is there, is called when Sessions have closed the session, or
	// have not opened it: it gives back what the limits counted.
	Release func()
}

// New makes a session. It does nothing until Sessions open it and it follows
// something.
func New(c Config) *Session {
	if c.Release == nil {
		c.Release = func() {}
	}
	// Of the request nothing else is kept alive.
	c.About.Agent = strings.Clone(c.About.Agent[:min(len(c.About.Agent), maxAgent)])
	s := &Session{
		about: c.About, identity: c.Identity, asked: c.Asked,
		out: c.Outbox, delivered: c.Delivered, alive: c.Alive, release: c.Release,
	}
	if c.Filter.size() > 0 {
		s.filters.Store(&filters{all: c.Filter})
	}
	return s
}

// NewID makes the id of a connection: 128 random bits, URL-safe.
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// About describes the connection.
func (s *Session) About() About { return s.about }

// Identity is whose session it is now.
func (s *Session) Identity() *auth.Identity {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.identity
}

// Wanted are the subjects to follow: the identity's own and those asked for,
// each once. Those of presence stand apart.
func (s *Session) Wanted() (events, present []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return split(union(s.identity.Subscribe, s.asked))
}

// Attach hands over the Reader that was made for this session, which has been told that
// it is open, and what tells of presence. From now on the session's transport must call
// Detach before it leaves.
func (s *Session) Attach(r Reader, watch Watch) {
	s.mu.Lock()
	s.reader = r
	s.mu.Unlock()
	_, present := s.Wanted()
	s.followPresence(present, watch)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settleLocked()
}

func (s *Session) settleLocked() {
	s.settled = true
	for _, w := range s.waiting {
		close(w)
	}
	s.waiting = nil
}

// attaching waits until the session follows something, has ended, or ctx ends: a
// client may ask for a change as soon as it has heard weft.open.
func (s *Session) attaching(ctx context.Context) {
	s.mu.Lock()
	if s.settled {
		s.mu.Unlock()
		return
	}
	settled := make(chan struct{})
	s.waiting = append(s.waiting, settled)
	s.mu.Unlock()
	select {
	case <-settled:
	case <-ctx.Done():
	}
}

// Detach lets go of what the session follows. It may be called twice.
func (s *Session) Detach() {
	s.mu.Lock()
	r, p := s.reader, s.presence
	s.reader, s.presence = nil, nil
	s.mu.Unlock()
	if p != nil {
		p.close()
	}
	if r != nil {
		r.Close()
	}
}

func (s *Session) attached() Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reader
}

// Subjects are those in force.
func (s *Session) Subjects() []string {
	if r := s.attached(); r != nil {
		return slices.Concat(r.Subjects(), s.Presence())
	}
	return nil
}

// Cursor is what the client would hold if all that was handed over had reached
// it; "" when nothing is followed.
func (s *Session) Cursor() string {
	if r := s.attached(); r != nil {
		return r.Cursor()
	}
	return ""
}

// Beat asks the Reader for a keep-alive.
func (s *Session) Beat() {
	if s.alive != nil && !s.alive() {
		s.End(Left)
		return
	}
	if r := s.attached(); r != nil {
		r.Keepalive()
	}
}

// End ends the session; only the first cause counts. It reports whether this
// was it.
func (s *Session) End(c Cause) bool { return s.EndFor(c, "") }

// EndFor is End with what the client is told beside the cause; Sayable must hold of it.
func (s *Session) EndFor(c Cause, detail string) bool {
	return s.endIf(c, detail, func() bool { return true })
}

// endIf is EndFor when something holds, which is asked with the lock held.
func (s *Session) endIf(c Cause, detail string, holds func() bool) bool {
	s.mu.Lock()
	if s.ended || !holds() {
		s.mu.Unlock()
		return false
	}
	s.ended, s.cause = true, c
	s.settleLocked()
	s.mu.Unlock()
	s.out.End(c, detail)
	s.mu.Lock()
	s.told = true
	atEnd := s.atEnd
	s.atEnd = nil
	s.mu.Unlock()
	for _, end := range atEnd {
		(*end)()
	}
	return true
}

// Within returns a context that ends with parent, with the session and with
// cancel, which must be called.
func (s *Session) Within(parent context.Context) (ctx context.Context, cancel context.CancelFunc) {
	ctx, end := context.WithCancel(parent)
	return ctx, s.AtEnd(end)
}

// AtEnd calls end, which must not block and may be called more than once, when
// the session ends, or at once if it has. The function that it returns calls end,
// too, and must be called.
func (s *Session) AtEnd(end func()) (cancel func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told {
		end()
		return end
	}
	s.atEnd = append(s.atEnd, &end)
	return func() {
		s.mu.Lock()
		s.atEnd = slices.DeleteFunc(s.atEnd, func(f *func()) bool { return f == &end })
		if len(s.atEnd) == 0 {
			s.atEnd = nil
		}
		s.mu.Unlock()
		end()
	}
}

// Ended reports whether the session has ended.
func (s *Session) Ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// Cause is why the session ended; Left while it has not.
func (s *Session) Cause() Cause {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause
}

// Control tells the client a frame of Weft's own, of which weft.open must have been the
// first: data is JSON, or nil, and id "" leaves the client's cursor where it is. It may
// be called from any goroutine.
func (s *Session) Control(typ, id string, data []byte) {
	if !s.out.Control(typ, id, data) {
		s.End(Slow)
	}
}

// union is a and what b adds to it.
func union(a, b []string) []string {
	if len(b) == 0 {
		return a
	}
	return subject.Distinct(slices.Concat(a, b))
}
