package session

import (
	"context"
	"sync"
	"time"
)

// slots of the wheel. A session that is due beyond one turn stays in its slot
// and is looked at once per turn.
const slots = 256

// A Wheel tells all sessions the time: one coarse clock for keep-alives and
// for the ends of tokens, instead of a timer for each connection.
type Wheel struct {
	tick  time.Duration
	every time.Duration // between keep-alives
	now   func() time.Time

	mu    sync.Mutex
	at    int64 // number of the last tick that was run
	slots [slots][]*Session
}

// entry is a session's place in the wheel, guarded by Wheel.mu.
type entry struct {
	in    bool
	slot  int
	index int
	beat  time.Time // next keep-alive
}

// NewWheel makes a wheel that gives each session a keep-alive per every.
func NewWheel(every time.Duration) *Wheel {
	w := &Wheel{tick: min(250*time.Millisecond, every/4), every: every, now: time.Now}
	w.at = w.number(w.now())
	return w
}

func (w *Wheel) number(t time.Time) int64 { return t.UnixNano() / int64(w.tick) }

// Add begins to tell s the time.
func (w *Wheel) Add(s *Session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.entry.beat = w.now().Add(w.every)
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
		w.place(s)
	}
}

// place puts s into the slot of the tick that follows its next due time.
func (w *Wheel) place(s *Session) {
	due := s.entry.beat
	if end := s.Identity().Expires; !end.IsZero() && end.Before(due) {
		due = end
	}
	n := max(w.number(due), w.at) + 1
	slot := int(n % slots)
	s.entry.in, s.entry.slot, s.entry.index = true, slot, len(w.slots[slot])
	w.slots[slot] = append(w.slots[slot], s)
}

func (w *Wheel) take(s *Session) {
	if !s.entry.in {
		return
	}
	list := w.slots[s.entry.slot]
	last := list[len(list)-1]
	list[s.entry.index] = last
	last.entry.index = s.entry.index
	list[len(list)-1] = nil
	w.slots[s.entry.slot] = list[:len(list)-1]
	s.entry.in = false
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
			w.turn()
		}
	}
}

// turn runs the ticks that are over.
func (w *Wheel) turn() {
	now := w.now()
	var beats, expired []*Session
	w.mu.Lock()
	last := w.number(now)
	from := max(w.at+1, last-slots+1) // after a long pause each slot once
	w.at = max(w.at, last)
	for n := from; n <= last; n++ {
		for _, s := range append([]*Session(nil), w.slots[n%slots]...) {
			end := s.Identity().Expires
			switch {
			case !end.IsZero() && !now.Before(end):
				w.take(s)
				expired = append(expired, s)
			case !now.Before(s.entry.beat):
				w.take(s)
				s.entry.beat = now.Add(w.every)
				w.place(s)
				beats = append(beats, s)
			}
		}
	}
	w.mu.Unlock()
	for _, s := range expired {
		s.End(Expired)
	}
	for _, s := range beats {
		s.Beat()
	}
}
