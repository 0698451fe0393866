package session

import (
	"context"
	"sync"
	"time"
)

// slots of the wheel. A session that is due beyond one rotation stays in its slot
// and is looked at once per rotation.
const slots = 256

// A Wheel tells all sessions the time: one coarse clock for keep-alives and
// for the ends of tokens, instead of a timer for each connection.
type Wheel struct {
	tick  time.Duration
	every time.Duration // between keep-alives
	warn  time.Duration // before the end of a token; 0: never
	now   func() time.Time

	mu    sync.Mutex
	at    int64           // number of the last tick that was run
	slots [slots]*Session // heads of lists that are linked through Session.entry

	due, expired, warned []*Session // of the ticks that are being run; their memory is kept
}

// entry is a session's place in the wheel, guarded by Wheel.mu.
type entry struct {
	in         bool
	slot       uint8
	ahead      time.Duration // of the end of the token it is warned; 0: it was, or needs no warning
	prev, next *Session
	beat       time.Time // next keep-alive
}

// NewWheel makes a wheel that gives each session a keep-alive per every, and warns it
// once, warn before the end of its token; with warn 0 it does not. Who has come with a token
// that is shorter is warned at once; of one that follows it when half of it is over, else a
// client that answers each warning with such a token would never rest.
func NewWheel(every, warn time.Duration) *Wheel {
	w := &Wheel{tick: min(250*time.Millisecond, every/4), every: every, warn: warn, now: time.Now}
	w.at = w.number(w.now())
	return w
}

func (w *Wheel) number(t time.Time) int64 { return t.UnixNano() / int64(w.tick) }

// Add begins to tell s the time.
func (w *Wheel) Add(s *Session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.entry.beat, s.entry.ahead = w.now().Add(w.every), w.warn
	w.place(s)
}

// Remove forgets s. It may be called twice.
func (w *Wheel) Remove(s *Session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.take(s)
}

// Moved must be called when the end of s's token has changed.
func (w *Wheel) Moved(s *Session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.entry.in {
		w.take(s)
		s.entry.ahead = w.warn
		if end := s.Identity().Expires; !end.IsZero() {
			s.entry.ahead = min(w.warn, end.Sub(w.now())/2)
		}
		w.place(s)
	}
}

// place puts s into the slot of the tick that follows its next due time.
func (w *Wheel) place(s *Session) {
	due := s.entry.beat
	if end := s.Identity().Expires; !end.IsZero() {
		end = end.Add(-s.entry.ahead)
		if end.Before(due) {
			due = end
		}
	}
	n := max(w.number(due), w.at) + 1
	slot := uint8(n % slots)
	head := w.slots[slot]
	s.entry.in, s.entry.slot, s.entry.prev, s.entry.next = true, slot, nil, head
	if head != nil {
		head.entry.prev = s
	}
	w.slots[slot] = s
}

func (w *Wheel) take(s *Session) {
	e := &s.entry
	if !e.in {
		return
	}
	if e.next != nil {
		e.next.entry.prev = e.prev
	}
	if e.prev != nil {
		e.prev.entry.next = e.next
	} else {
		w.slots[e.slot] = e.next
	}
	e.in, e.prev, e.next = false, nil, nil
}

// Run turns the wheel until ctx ends.
func (w *Wheel) Run(ctx context.Context) {
	ticker := time.NewTicker(w.tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			w.advance()
		}
	}
}

// advance runs the ticks that are over. It must not be called concurrently.
func (w *Wheel) advance() {
	now := w.now()
	w.mu.Lock()
	last := w.number(now)
	from := max(w.at+1, last-slots+1) // after a long pause each slot once
	w.at = max(w.at, last)
	for n := from; n <= last; n++ {
		for s, next := w.slots[n%slots], (*Session)(nil); s != nil; s = next {
			next = s.entry.next // a slot that is to come takes those that are put back
			end := s.Identity().Expires
			switch {
			case !end.IsZero() && !now.Before(end): // it stays: a new token may be on its way
				w.expired = append(w.expired, s)
			case !end.IsZero() && s.entry.ahead > 0 && !now.Before(end.Add(-s.entry.ahead)):
				w.take(s)
				if s.attached() != nil { // else weft.open comes first
					s.entry.ahead = 0
					w.warned = append(w.warned, s)
				}
				w.place(s)
			case !now.Before(s.entry.beat):
				w.take(s)
				s.entry.beat = now.Add(w.every)
				w.place(s)
				w.due = append(w.due, s)
			}
		}
	}
	w.mu.Unlock()
	for _, s := range w.expired {
		if expire(s, now) {
			w.Remove(s)
		}
	}
	for _, s := range w.warned {
		warn(s, now, w.warn)
	}
	for _, s := range w.due {
		s.Beat()
	}
	w.due, w.expired, w.warned = emptied(w.due), emptied(w.expired), emptied(w.warned)
}

// emptied keeps the memory of a list but for what only a storm needs.
func emptied(list []*Session) []*Session {
	if cap(list) > 4096 {
		return nil
	}
	clear(list)
	return list[:0]
}
