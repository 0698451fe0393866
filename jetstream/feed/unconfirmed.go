package feed

import "slices"

// maxUnproved bounds the copies that a feed remembers. It is what comes on one
// subject between two ticks; of a busier one the older half is forgotten.
const maxUnproved = 4096

// A record is what a feed has handed on because delivery copies said so, and
// nothing else has confirmed yet. A copy proves nothing: whoever gets a message
// past the accounts onto its subject can claim any sequence. The store does, and
// so does a safe tick, below which nothing is missing.
type record struct {
	proved uint64   // nothing up to here is in doubt
	copies []handed // handed on since, in order
	// forgot is set when older ones are missing in copies: all before the first is
	// taken to be there.
	forgot bool
}

// handed is one copy that was handed on.
type handed struct {
	seq   uint64
	stamp uint32
}

// add notes a copy. The floor is asked for when there is no room.
func (r *record) add(m *Message, floor func() uint64) {
	if len(r.copies) == cap(r.copies) && len(r.copies) > 0 {
		r.prove(floor())
		if n := len(r.copies); n >= maxUnproved {
			r.copies, r.forgot = append(r.copies[:0], r.copies[n/2:]...), true
		}
	}
	r.copies = append(r.copies, handed{m.Seq, m.stamp})
}

// prove forgets what a safe floor has confirmed.
func (r *record) prove(floor uint64) {
	n := 0
	for n < len(r.copies) && r.copies[n].seq <= floor {
		n++
	}
	if n == 0 {
		return
	}
	r.proved = max(r.proved, r.copies[n-1].seq)
	r.copies = append(r.copies[:0], r.copies[n:]...)
	if len(r.copies) == 0 {
		r.forgot = false
	}
}

// clone returns a copy that nobody changes.
func (r *record) clone() record {
	return record{proved: r.proved, copies: slices.Clone(r.copies), forgot: r.forgot}
}

// settle begins anew: all up to seq is proved.
func (r *record) settle(seq uint64) { *r = record{proved: seq, copies: r.copies[:0]} }

// top is the newest copy's sequence, 0 for none.
func (r *record) top() uint64 {
	if n := len(r.copies); n > 0 {
		return r.copies[n-1].seq
	}
	return 0
}

// has reports whether a message was handed on, not another one with its sequence.
func (r *record) has(seq uint64, stamp uint32) bool {
	if r.forgot && len(r.copies) > 0 && seq < r.copies[0].seq {
		return true
	}
	i, found := slices.BinarySearchFunc(r.copies, seq, func(h handed, seq uint64) int {
		switch {
		case h.seq < seq:
			return -1
		case h.seq > seq:
			return 1
		}
		return 0
	})
	return found && r.copies[i].stamp == stamp
}

// compare holds the record against all that is stored after proved. It returns the
// copies that are not stored, and whether something that is was not handed on; base
// is the newest that was.
func (r *record) compare(stored []handed) (base uint64, absent []handed, missed bool) {
	there := make(map[handed]struct{}, len(stored))
	for _, h := range stored {
		there[h] = struct{}{}
	}
	base = r.proved
	for _, h := range r.copies {
		if _, ok := there[h]; ok {
			base = max(base, h.seq)
		} else {
			absent = append(absent, h)
		}
	}
	top := r.top()
	for _, h := range stored {
		// One without a time has headers that nobody can read, and is never handed on.
		if h.seq <= top && h.stamp != 0 && !r.has(h.seq, h.stamp) {
			missed = true
		}
	}
	if r.forgot && len(r.copies) > 0 {
		for _, h := range stored {
			if h.seq < r.copies[0].seq {
				base = max(base, h.seq)
			}
		}
	}
	return base, absent, missed
}
