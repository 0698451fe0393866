package feed

import (
	"context"
	"slices"

	"weft/jetstream/api"
	"weft/jetstream/store"
)

// verify holds what was handed on by copies alone against the store, before the
// feed reads on from it. It reports false when the feed has ended.
func (c catchUp) verify(ctx context.Context) bool {
	f := c.f
	for {
		f.mu.Lock()
		known, cursor, conflict, rejected := f.unconfirmed.clone(), f.cursor, f.conflict, f.rejected
		f.mu.Unlock()
		if len(known.copies) == 0 {
			c.confirm(cursor)
			return true
		}
		stored, head, gone, err := c.storedUntil(ctx, known.confirmed, cursor)
		if err != nil {
			return false
		}
		base, forged, missed := known.compare(stored)
		switch {
		case gone && conflict: // nobody can tell what was forged of what was handed on
			c.rollBack(cursor, max(known.confirmed, head), int(rejected), true)
			return true
		case gone, len(forged) == 0 && !missed: // of what is gone nothing speaks against it
			c.confirm(cursor)
			return true
		}
		sure, err := c.surelyAbsent(ctx, stored, forged)
		if err != nil {
			return false
		}
		if !sure {
			api.Sleep(ctx, lagPause)
			continue
		}
		c.rollBack(cursor, base, len(forged), false)
		return true
	}
}

// confirm notes that all that was handed on is the stream's own, so that what has
// raised the doubts was not.
func (c catchUp) confirm(cursor uint64) {
	f := c.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cursor == cursor { // else the stream was made anew
		f.hub.forged(f.subject, int(f.rejected))
		f.unconfirmed.reset(cursor)
		f.conflict, f.rejected = false, 0
	}
}

// rollBack tells the connections that they have seen what the stream has not sent.
// Up to base all that was real has been handed on, or is lost with the reset; what
// follows is handed on. With gone, what was real up to base cannot be known any more.
func (c catchUp) rollBack(cursor, base uint64, forged int, gone bool) {
	f := c.f
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
func (c catchUp) storedUntil(ctx context.Context, after, until uint64) (list []identity, head uint64, gone bool, err error) {
	f := c.f
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
func (c catchUp) surelyAbsent(ctx context.Context, stored, absent []identity) (bool, error) {
	f := c.f
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
			next, err = f.hub.store.Next(ctx, f.subject, h.seq)
			return err
		}); err != nil {
			return false, err
		}
		if next == h.seq {
			return false, nil
		}
	}
	var st store.State
	err := f.hub.retry(ctx, func() (err error) {
		st, err = f.hub.state.fresh(ctx)
		return err
	})
	return err == nil && f.hub.knows(st.ID), err
}

// maxAsked bounds how many copies the leader is asked for. A replica that lags
// lacks the first of them, too.
const maxAsked = 8
