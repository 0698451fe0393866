package feed

import (
	"context"
	"slices"

	"weft/jetstream"
)

// What a copy is to a feed.
type verdict int

const (
	isSeen     verdict = iota // it was handed on, or is known not to be missing
	isNext                    // nothing is missing before it
	isBeyond                  // something is missing before it
	isDoubtful                // it and what was handed on cannot both be the stream's own
)

// judgeLocked says what a copy is. Copies come in the order of the stream, and each
// names the one before it on its subject: one that is not newer than what was
// handed on, and not the same, or that does not know the last one handed on,
// shows that either is forged.
func (f *feed) judgeLocked(m *Message) verdict {
	switch {
	case m.previous > f.cursor:
		return isBeyond
	case m.Seq > f.cursor:
		if top := f.record.top(); m.previous == top || top == 0 || m.previous == 0 || top <= f.hub.safe() {
			return isNext
		}
		return isDoubtful
	case m.Seq <= f.record.proved || m.Seq <= f.hub.safe() || f.record.has(m.Seq, m.stamp):
		return isSeen
	}
	return isDoubtful
}

// doubtLocked makes a live feed hold what it has handed on against the store,
// because of a copy that does not go with it. All up to target must be read then.
func (f *feed) doubtLocked(m *Message) {
	f.accuseLocked(m)
	f.suspendLocked(m.Seq)
}

func (f *feed) accuseLocked(m *Message) {
	f.doubted = true
	if f.target = max(f.target, m.Seq); m.Seq <= f.cursor {
		f.accused++
	}
}

// missed is told of a message that is stored beyond the safe floor. The feed reads
// what it has not handed on.
func (f *feed) missed(seq uint64, stamp uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.wild:
	case seq > f.cursor:
		f.suspectLocked(seq)
	case !f.live || seq <= f.record.proved || stamp == 0 || f.record.has(seq, stamp):
	default:
		f.doubted = true
		f.suspendLocked(seq)
	}
}

// outrun is told that the reader has come to this sequence. What the feed has or
// keeps from beyond it did not come in the order of the stream.
func (f *feed) outrun(seq uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.wild:
	case !f.live:
		if slices.ContainsFunc(f.waiting.messages, func(m *Message) bool { return m.Seq > seq }) {
			f.waiting = backlog{lost: true, last: seq} // all of it is read
		}
	case f.record.top() > seq:
		f.doubted = true
		f.suspendLocked(seq + 1)
	}
}

// prove holds what was handed on by copies alone against the store, before the
// feed reads on from it. It reports false when the feed has ended.
func (f *feed) prove(ctx context.Context) bool {
	for {
		f.mu.Lock()
		known, cursor, doubted, accused := f.record.clone(), f.cursor, f.doubted, f.accused
		f.mu.Unlock()
		if len(known.copies) == 0 {
			f.acquit(cursor)
			return true
		}
		stored, head, gone, err := f.storedUntil(ctx, known.proved, cursor)
		if err != nil {
			return false
		}
		base, forged, missed := known.compare(stored)
		switch {
		case gone && doubted: // nobody can tell what was forged of what was handed on
			f.refute(cursor, max(known.proved, head), accused, true)
			return true
		case gone, len(forged) == 0 && !missed: // of what is gone nothing speaks against it
			f.acquit(cursor)
			return true
		}
		sure, err := f.asStored(ctx, stored, forged)
		if err != nil {
			return false
		}
		if !sure {
			pause(ctx, lagPause)
			continue
		}
		f.refute(cursor, base, len(forged), false)
		return true
	}
}

// acquit notes that all that was handed on is the stream's own, so that what has
// raised the doubts was not.
func (f *feed) acquit(cursor uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cursor == cursor { // else the stream was made anew
		f.hub.forged(f.subject, f.accused)
		f.record.settle(cursor)
		f.doubted, f.accused = false, 0
	}
}

// refute tells the connections that they have seen what the stream has not sent.
// Up to base all that was real has been handed on, or is lost with the reset; what
// follows is handed on. With gone, what was real up to base cannot be known any more.
func (f *feed) refute(cursor, base uint64, forged int, gone bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cursor != cursor { // the stream was made anew
		return
	}
	f.hub.forged(f.subject, forged)
	f.cursor, f.last = base, 0
	f.record.settle(base)
	f.doubted, f.accused = false, 0
	for _, l := range f.links {
		if !l.goBack(base, cursor) && gone {
			l.lose(ReasonTrimmed, base)
		}
	}
}

// storedUntil reads which messages are stored after a sequence up to another one,
// and perhaps some more. gone and head are as in history. It fails only when the
// feed has ended.
func (f *feed) storedUntil(ctx context.Context, after, until uint64) (list []handed, head uint64, gone bool, err error) {
	var t tally // not used: the subject is exact
	for {
		var past history
		if err := f.hub.insist(ctx, func() (err error) {
			past, err = f.hub.history(ctx, f.subject, after, &t)
			return err
		}); err != nil {
			return nil, 0, false, err
		}
		if past.gone {
			return nil, past.head, true, nil
		}
		for _, m := range past.messages {
			list, after = append(list, handed{m.Seq, m.stamp}), m.Seq
		}
		if past.pending == 0 || after >= until || len(past.messages) == 0 {
			return list, 0, false, nil
		}
	}
}

// asStored reports whether copies that were not found in what was read are not
// stored: the replica did not lag behind the leader, and the stream is the one that
// the feed knows. It fails only when the feed has ended.
func (f *feed) asStored(ctx context.Context, stored, absent []handed) (bool, error) {
	read := uint64(0)
	if n := len(stored); n > 0 {
		read = stored[n-1].seq
	}
	absent = slices.DeleteFunc(absent, func(h handed) bool { return h.seq <= read })
	if len(absent) > 0 {
		end, err := f.hub.end(ctx)
		if err != nil {
			return false, err
		}
		absent = slices.DeleteFunc(absent, func(h handed) bool { return h.seq > end })
	}
	for _, h := range absent[:min(len(absent), maxAsked)] {
		next := uint64(0)
		if err := f.hub.insist(ctx, func() (err error) {
			next, err = f.hub.node.Next(ctx, f.subject, h.seq)
			return err
		}); err != nil {
			return false, err
		}
		if next == h.seq {
			return false, nil
		}
	}
	var st jetstream.State
	err := f.hub.insist(ctx, func() (err error) {
		st, err = f.hub.state.fresh(ctx)
		return err
	})
	return err == nil && f.hub.knows(st.ID), err
}

// maxAsked bounds how many copies the leader is asked for. A replica that lags
// lacks the first of them, too.
const maxAsked = 8
