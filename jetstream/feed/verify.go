package feed

import (
	"context"
	"slices"

	"weft/jetstream"
	"weft/jetstream/api"
)

// What a copy is to a feed.
type class int

const (
	isDuplicate class = iota // it was handed on, or is known not to be missing
	isNext                   // nothing is missing before it
	isGap                    // something is missing before it
	isConflict               // it and what was handed on cannot both be the stream's own
)

// classifyLocked says what a copy is. Copies come in the order of the stream, and each
// names the one before it on its subject: one that is not newer than what was
// handed on, and not the same, or that does not know the last one handed on,
// shows that either is forged.
func (f *feed) classifyLocked(m *Message) class {
	switch {
	case m.previous > f.cursor:
		return isGap
	case m.Seq > f.cursor:
		if top := f.unconfirmed.top(); m.previous == top || top == 0 || m.previous == 0 || top <= f.hub.lowWatermark() {
			return isNext
		}
		return isConflict
	case m.Seq <= f.unconfirmed.confirmed || m.Seq <= f.hub.lowWatermark() || f.unconfirmed.has(m.Seq, m.stamp):
		return isDuplicate
	}
	return isConflict
}

// conflictLocked makes a live feed hold what it has handed on against the store,
// because of a copy that does not go with it. All up to target must be read then.
func (f *feed) conflictLocked(m *Message) {
	f.noteConflictLocked(m)
	f.suspendLocked(m.Seq)
}

func (f *feed) noteConflictLocked(m *Message) {
	f.conflict = true
	if f.target = max(f.target, m.Seq); m.Seq <= f.cursor {
		f.rejected++
	}
}

// reconcile is told of a message that is stored beyond the low watermark. The feed reads
// what it has not handed on.
func (f *feed) reconcile(seq uint64, stamp uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.wild:
	case seq > f.cursor:
		f.resyncLocked(seq)
	case !f.isLive() || seq <= f.unconfirmed.confirmed || stamp == 0 || f.unconfirmed.has(seq, stamp):
	default:
		f.conflict = true
		f.suspendLocked(seq)
	}
}

// outOfOrder is told that the reader has come to this sequence. What the feed has or
// keeps from beyond it did not come in the order of the stream.
func (f *feed) outOfOrder(seq uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.wild:
	case !f.isLive():
		if slices.ContainsFunc(f.waiting.messages, func(m *Message) bool { return m.Seq > seq }) {
			f.waiting = backlog{lost: true, last: seq} // all of it is read
		}
	case f.unconfirmed.top() > seq:
		f.conflict = true
		f.suspendLocked(seq + 1)
	}
}

// verify holds what was handed on by copies alone against the store, before the
// feed reads on from it. It reports false when the feed has ended.
func (f *feed) verify(ctx context.Context) bool {
	for {
		f.mu.Lock()
		known, cursor, doubted, accused := f.unconfirmed.clone(), f.cursor, f.conflict, f.rejected
		f.mu.Unlock()
		if len(known.copies) == 0 {
			f.confirm(cursor)
			return true
		}
		stored, head, gone, err := f.storedUntil(ctx, known.confirmed, cursor)
		if err != nil {
			return false
		}
		base, forged, missed := known.compare(stored)
		switch {
		case gone && doubted: // nobody can tell what was forged of what was handed on
			f.rollBack(cursor, max(known.confirmed, head), accused, true)
			return true
		case gone, len(forged) == 0 && !missed: // of what is gone nothing speaks against it
			f.confirm(cursor)
			return true
		}
		sure, err := f.surelyAbsent(ctx, stored, forged)
		if err != nil {
			return false
		}
		if !sure {
			api.Sleep(ctx, lagPause)
			continue
		}
		f.rollBack(cursor, base, len(forged), false)
		return true
	}
}

// confirm notes that all that was handed on is the stream's own, so that what has
// raised the doubts was not.
func (f *feed) confirm(cursor uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cursor == cursor { // else the stream was made anew
		f.hub.forged(f.subject, f.rejected)
		f.unconfirmed.reset(cursor)
		f.conflict, f.rejected = false, 0
	}
}

// rollBack tells the connections that they have seen what the stream has not sent.
// Up to base all that was real has been handed on, or is lost with the reset; what
// follows is handed on. With gone, what was real up to base cannot be known any more.
func (f *feed) rollBack(cursor, base uint64, forged int, gone bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cursor != cursor { // the stream was made anew
		return
	}
	f.hub.forged(f.subject, forged)
	f.cursor, f.last = base, 0
	f.unconfirmed.reset(base)
	f.conflict, f.rejected = false, 0
	for _, s := range f.subs {
		if !s.rollBack(base, cursor) && gone {
			s.trimmed(base)
		}
	}
}

// storedUntil reads which messages are stored after a sequence up to another one,
// and perhaps some more. gone and head are as in history. It fails only when the
// feed has ended.
func (f *feed) storedUntil(ctx context.Context, after, until uint64) (list []identity, head uint64, gone bool, err error) {
	var t counts // not used: the subject is exact
	for {
		var past history
		if err := f.hub.retry(ctx, func() (err error) {
			past, err = f.hub.history(ctx, f.subject, after, &t)
			return err
		}); err != nil {
			return nil, 0, false, err
		}
		if past.gone {
			return nil, past.head, true, nil
		}
		for _, m := range past.messages {
			list, after = append(list, identity{m.Seq, m.stamp}), m.Seq
		}
		if past.pending == 0 || after >= until || len(past.messages) == 0 {
			return list, 0, false, nil
		}
	}
}

// surelyAbsent reports whether copies that were not found in what was read are not
// stored: the replica did not lag behind the leader, and the stream is the one that
// the feed knows. It fails only when the feed has ended.
func (f *feed) surelyAbsent(ctx context.Context, stored, absent []identity) (bool, error) {
	read := uint64(0)
	if n := len(stored); n > 0 {
		read = stored[n-1].seq
	}
	absent = slices.DeleteFunc(absent, func(h identity) bool { return h.seq <= read })
	if len(absent) > 0 {
		end, err := f.hub.end(ctx)
		if err != nil {
			return false, err
		}
		absent = slices.DeleteFunc(absent, func(h identity) bool { return h.seq > end })
	}
	for _, h := range absent[:min(len(absent), maxAsked)] {
		next := uint64(0)
		if err := f.hub.retry(ctx, func() (err error) {
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
	err := f.hub.retry(ctx, func() (err error) {
		st, err = f.hub.state.fresh(ctx)
		return err
	})
	return err == nil && f.hub.knows(st.ID), err
}

// maxAsked bounds how many copies the leader is asked for. A replica that lags
// lacks the first of them, too.
const maxAsked = 8
