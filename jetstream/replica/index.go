package replica

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"weft/jetstream/event"
)

const (
	// worth is how long looks at a part of the stream may take together until all of it
	// is read, which takes some milliseconds.
	worth = time.Millisecond
	// maxSegments bounds what is known; it is some 40 MB.
	maxSegments = 384
	// forget is how long after it was asked last a segment is let go.
	forget = 2 * time.Minute
)

// A Copy is a node's own copy of the stream. Two are equal when they are the same life of
// the same copy. Its methods are called concurrently.
type Copy interface {
	// Bounds are the sequences of the first and of the last message.
	Bounds() (first, last uint64)
	// Next returns the first sequence from one on that is stored under an exact subject, or
	// under any with "", and its subject; 0 when there is none.
	Next(subject string, from uint64) (seq uint64, of string, ok bool)
	// Load returns the message with a sequence, if that is stored.
	Load(seq uint64) (m event.Stored, ok bool)
}

// An Index reads a node's own copy of the stream. Its methods may be called concurrently.
type Index struct {
	open  func() (Copy, bool)
	hash  func(subject string) uint32
	made  time.Time
	worth time.Duration
	guard guard

	mu       sync.Mutex
	copy     Copy // that the segments are of
	segments map[uint64]*segment
	sweep    *time.Timer // nil while there are none
}

// New makes an index of the copy that open returns, if there is one at the moment.
func New(open func() (Copy, bool)) *Index {
	seed := maphash.MakeSeed() // so that nobody can choose subjects that look alike
	return &Index{open: open, hash: func(subject string) uint32 { return uint32(maphash.String(seed, subject)) },
		made: time.Now(), worth: worth, segments: make(map[uint64]*segment)}
}

// Last is how far this node's copy has come; it is not ok when there is none, or when it
// does not say so before ctx ends, or within two seconds.
func (x *Index) Last(ctx context.Context) (last uint64, ok bool) {
	return ask(ctx, &x.guard, func() (last uint64, ok bool) {
		c, ok := x.open()
		if ok {
			_, last = c.Bounds()
		}
		return last, ok
	})
}

// After returns what is stored of an exact subject after a sequence, in order: at most limit
// messages and not many more bytes than maxBytes, at least one if there is one, and whether
// there are more. It is ok only when the copy has come to the sequence until, and when
// nothing is missing: neither age nor the limit of the stream by bytes has removed anything
// that came after, nor its limit perSubject. It waits as Last does.
func (x *Index) After(ctx context.Context, subject string, after, until uint64, limit, maxBytes int, perSubject uint64) (found []event.Stored, more, ok bool) {
	type part struct {
		found []event.Stored
		more  bool
	}
	p, ok := ask(ctx, &x.guard, func() (p part, ok bool) {
		p.found, p.more, ok = x.after(subject, after, until, limit, maxBytes, perSubject)
		return p, ok
	})
	return p.found, p.more, ok
}

func (x *Index) after(subject string, after, until uint64, limit, maxBytes int, perSubject uint64) (found []event.Stored, more, ok bool) {
	c, ok := x.open()
	if !ok {
		return nil, false, false
	}
	_, last := c.Bounds()
	if last < until {
		return nil, false, false
	}
	hash := x.hash(subject)
	before, size := uint64(0), 0
	for from := after + 1; ; {
		seq, ok := x.next(c, subject, hash, from, last)
		if !ok {
			return nil, false, false
		}
		if seq == 0 {
			break
		}
		if len(found) == limit || size >= maxBytes && len(found) > 0 {
			more = true
			break
		}
		m, ok := c.Load(seq)
		if !ok {
			return nil, false, false // it was removed
		}
		from = seq + 1
		if m.Subject != subject { // one with the same hash
			continue
		}
		size += len(m.Data)
		if m.Unreadable {
			m.Subject = ""
		}
		m.Previous, before = before, seq
		found = append(found, m)
	}
	return found, more, whole(c, subject, after, last, found, more, perSubject)
}

// whole reports whether nothing that came on a subject after a sequence had been removed before
// it was looked for. It is asked after the rest was loaded, which had begun when the copy had
// come to the sequence last: all that came meanwhile may be of this subject.
func whole(c Copy, subject string, after, last uint64, found []event.Stored, more bool, perSubject uint64) bool {
	first, now := c.Bounds()
	if first > after+1 {
		return false
	}
	if !more && uint64(len(found))+now-min(now, last) < perSubject {
		return true // that limit has removed none
	}
	// The oldest of a subject always goes first: one that is stored has all that follow it.
	if len(found) > 0 && found[0].Seq == after+1 {
		if _, ok := c.Load(after + 1); ok {
			return true
		}
	}
	m, ok := c.Load(after)
	return after > 0 && ok && m.Subject == subject
}

// next returns the first sequence from one on that is stored under a subject, or one with
// the same hash; 0 when there is none up to last.
func (x *Index) next(c Copy, subject string, hash uint32, from, last uint64) (seq uint64, ok bool) {
	for from <= last {
		s := x.segment(c, from)
		if s == nil {
			return 0, false
		}
		t := s.table.Load()
		if !t.covers(from) && s.taken.Load() >= int64(x.worth) {
			if !s.extend(c, last, x.hash) {
				return 0, false
			}
			t = s.table.Load()
		}
		if !t.covers(from) {
			return s.look(c, subject, from)
		}
		if offset, ok := t.next(hash, uint16(from-s.first)); ok {
			return s.first + uint64(offset), true
		}
		from = t.until
	}
	return 0, true
}

// segment returns the part of a copy that a sequence lies in, nil when there is another copy
// meanwhile.
func (x *Index) segment(c Copy, seq uint64) *segment {
	now := int64(time.Since(x.made))
	x.mu.Lock()
	defer x.mu.Unlock()
	if c != x.copy {
		if current, ok := x.open(); !ok || current != c {
			return nil
		}
		x.copy = c
		clear(x.segments)
	}
	s := x.segments[seq/span]
	if s == nil {
		if len(x.segments) == maxSegments {
			x.evictLocked()
		}
		s = &segment{first: seq / span * span}
		x.segments[seq/span] = s
		if x.sweep == nil {
			x.sweep = time.AfterFunc(forget, x.letGo)
		}
	}
	s.used.Store(now)
	return s
}

// evictLocked lets go of the segment that was asked longest ago.
func (x *Index) evictLocked() {
	var oldest *segment
	for _, s := range x.segments {
		if oldest == nil || s.used.Load() < oldest.used.Load() {
			oldest = s
		}
	}
	delete(x.segments, oldest.first/span)
}

// letGo lets go of what nobody has asked for.
func (x *Index) letGo() {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := int64(time.Since(x.made))
	for n, s := range x.segments {
		if now-s.used.Load() >= int64(forget) {
			delete(x.segments, n)
		}
	}
	if x.sweep = nil; len(x.segments) > 0 {
		x.sweep = time.AfterFunc(forget, x.letGo)
	}
}

// Close lets go of all. It may be called again.
func (x *Index) Close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	clear(x.segments)
	if x.sweep != nil {
		x.sweep.Stop()
		x.sweep = nil
	}
}
