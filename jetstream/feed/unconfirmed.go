package feed

import "slices"

// maxUnconfirmed bounds the copies that a feed remembers. It is what comes on one
// subject between two ticks; of a busier one the older half is forgotten.
const maxUnconfirmed = 4096

// Unconfirmed copies are what a feed has handed on because delivery copies said so, and
// nothing else has confirmed yet. A copy proves nothing: whoever gets a message
// past the accounts onto its subject can claim any sequence. The store does, and
// so does a safe tick, below which nothing is missing.
type unconfirmed struct {
	confirmed uint64     // nothing up to here is in doubt
	copies    []identity // handed on since, in order
	// truncated is set when older ones are missing in copies: all before the first is
	// taken to be there.
	truncated bool
}

// An identity tells a stored message from all others, also from a forged one with its
// sequence.
type identity struct {
	seq   uint64
	stamp uint32
}

// add notes a copy. The low watermark is asked for when there is no room.
func (u *unconfirmed) add(m *Message, low func() uint64) {
	if len(u.copies) == cap(u.copies) && len(u.copies) > 0 {
		u.confirm(low())
		if n := len(u.copies); n >= maxUnconfirmed {
			u.copies, u.truncated = append(u.copies[:0], u.copies[n/2:]...), true
		}
	}
	u.copies = append(u.copies, identity{m.Seq, m.stamp})
}

// confirm forgets what a low watermark has confirmed.
func (u *unconfirmed) confirm(low uint64) {
	n := 0
	for n < len(u.copies) && u.copies[n].seq <= low {
		n++
	}
	if n == 0 {
		return
	}
	u.confirmed = max(u.confirmed, u.copies[n-1].seq)
	u.copies = append(u.copies[:0], u.copies[n:]...)
	if len(u.copies) == 0 {
		u.truncated = false
	}
}

// clone returns a copy that nobody changes.
func (u *unconfirmed) clone() unconfirmed {
	return unconfirmed{confirmed: u.confirmed, copies: slices.Clone(u.copies), truncated: u.truncated}
}

// reset begins anew: all up to seq is confirmed.
func (u *unconfirmed) reset(seq uint64) { *u = unconfirmed{confirmed: seq, copies: u.copies[:0]} }

// top is the newest copy's sequence, 0 for none.
func (u *unconfirmed) top() uint64 {
	if n := len(u.copies); n > 0 {
		return u.copies[n-1].seq
	}
	return 0
}

// has reports whether a message was handed on, not another one with its sequence.
func (u *unconfirmed) has(seq uint64, stamp uint32) bool {
	if u.truncated && len(u.copies) > 0 && seq < u.copies[0].seq {
		return true
	}
	i, found := slices.BinarySearchFunc(u.copies, seq, func(h identity, seq uint64) int {
		switch {
		case h.seq < seq:
			return -1
		case h.seq > seq:
			return 1
		}
		return 0
	})
	return found && u.copies[i].stamp == stamp
}

// compare holds it against all that is stored after confirmed. It returns the
// copies that are not stored, and whether something that is was not handed on; base
// is the newest that was.
func (u *unconfirmed) compare(stored []identity) (base uint64, absent []identity, missed bool) {
	there := make(map[identity]struct{}, len(stored))
	for _, h := range stored {
		there[h] = struct{}{}
	}
	base = u.confirmed
	for _, h := range u.copies {
		if _, ok := there[h]; ok {
			base = max(base, h.seq)
		} else {
			absent = append(absent, h)
		}
	}
	top := u.top()
	for _, h := range stored {
		// One without a time has headers that nobody can read, and is never handed on.
		if h.seq <= top && h.stamp != 0 && !u.has(h.seq, h.stamp) {
			missed = true
		}
	}
	if u.truncated && len(u.copies) > 0 {
		for _, h := range stored {
			if h.seq < u.copies[0].seq {
				base = max(base, h.seq)
			}
		}
	}
	return base, absent, missed
}
