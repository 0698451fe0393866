package store

import "weft/jetstream/event"

// A Place is a position in one life of the stream EVENTS: behind it is what has a
// greater sequence. The zero Place is none.
type Place struct {
	Stream event.StreamID
	Seq    uint64
}

// IsZero reports whether it is none.
func (p Place) IsZero() bool { return p.Stream == event.StreamID{} }

// Place is a place that this node knows to be stored, without asking: whatever is
// published from now on will be behind it. Ticks move it on, some four times a second.
func (s *Stream) Place() Place { return Place{s.StreamID(), s.reached.Load()} }

// reach is told of a sequence that the stream has acknowledged.
func (s *Stream) reach(seq uint64) {
	for {
		known := s.reached.Load()
		if seq <= known || s.reached.CompareAndSwap(known, seq) {
			return
		}
	}
}

// learnID keeps the identity of the stream. Another life counts from 1 again.
func (s *Stream) learnID(id event.StreamID) {
	if old := s.id.Swap(&id); *old != id {
		s.reached.Store(0)
	}
}

// reachedLocked returns the newest sequence that is known to be stored: what has not been
// sent yet will have a greater one.
func (p *Pipeline) reachedLocked() uint64 {
	known := p.to.stream.Place()
	if known.Stream != p.reached.Stream { // what was acknowledged was of another life
		p.reached = Place{Stream: known.Stream}
		for i := range p.ring {
			p.ring[i].floor = 0
		}
	}
	return max(known.Seq, p.reached.Seq)
}

// placeLocked returns a place behind which all of a slot and of those after it is, or
// will be, stored. An event may be stored before one that was put earlier, if that one
// must be sent again; but no event can be before what was acknowledged when it was put.
// Floors never fall from one slot to the next.
func (p *Pipeline) placeLocked(slot uint64) Place {
	seq := p.reachedLocked()
	if slot != p.next {
		seq = p.ring[slot%uint64(len(p.ring))].floor
	}
	return Place{p.reached.Stream, seq}
}
