package feed

import (
	"context"
	"time"

	"weft/jetstream/api"
)

// lagPause is the pause before a replica that lags is asked again.
const lagPause = 20 * time.Millisecond

// A catchUp is the worker of a feed that is catching up. It goes round until the feed is
// live again, or has ended:
//
//	verify    what only copies spoke for is held against the store
//	read on   all that is stored after the cursor is handed on
//	settle    so is what waited, and the feed is live, unless something is missing
//	close gap what a read did not bring is waited for, or known to be gone
type catchUp struct{ f *feed }

// run reads what is missing after the cursor and makes the feed live again.
// When it is gone for good, everybody is told.
func (c catchUp) run(ctx context.Context) {
	for c.verify(ctx) && c.readOn(ctx) {
		if c.f.settle() {
			c.f.hub.catchingUp.Add(-1)
			return
		}
		c.closeGap(ctx)
	}
	c.abandon()
}

// abandon counts a feed no more that has ended before it could catch up, unless it ends with
// the node: its connections must not believe that they have what it has not handed on.
func (c catchUp) abandon() {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	if len(c.f.subs) == 0 {
		c.f.hub.catchingUp.Add(-1)
	}
}

// readOn hands on all that is stored after the cursor, or the news that some of
// it is gone. It reports false when the feed has ended.
func (c catchUp) readOn(ctx context.Context) bool {
	f := c.f
	var t counts
	for {
		from, until := c.missing()
		past, own := ownHistory(ctx, f, from, until)
		if !own && f.hub.retry(ctx, func() (err error) {
			past, err = f.hub.history(ctx, f.subject, from, &t)
			return err
		}) != nil {
			return false
		}
		f.mu.Lock()
		switch {
		case f.cursor < from: // the stream was made anew, this is of the old one
			past.pending = 1
		case past.gone:
			f.resetLocked(past.head)
		default:
			for _, m := range past.messages {
				f.hub.metrics.recovered.Inc()
				f.handLocked(m)
			}
			f.unconfirmed.reset(f.cursor)
		}
		f.mu.Unlock()
		if past.pending == 0 {
			return true
		}
	}
}

// missing is after which sequence the feed has to read, and up to which it must.
func (c catchUp) missing() (after, until uint64) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	return c.f.cursor, c.f.target
}

// closeGap deals with a gap that a read did not fill: either the replica that was
// read lags, or what is missing is gone, or nothing is missing. Of a copy that
// waits beyond it nothing is believed that the leader does not say, too.
func (c catchUp) closeGap(ctx context.Context) {
	f := c.f
	f.mu.Lock()
	from, until := f.cursor, uint64(0)
	// What waits may as well have come since, with nothing missing before it.
	waiting := f.waiting.kept()
	gap := len(waiting) > 0 && waiting[0].previous > from
	switch {
	case gap:
		until = waiting[0].Seq
	case f.target > from:
		until = f.target + 1
	}
	f.mu.Unlock()
	if until == 0 {
		return // what came meanwhile is read now
	}
	var next uint64
	if f.hub.retry(ctx, func() (err error) {
		next, err = f.hub.store.Next(ctx, f.subject, from+1)
		return err
	}) != nil {
		return
	}
	if next != 0 && next < until {
		api.Sleep(ctx, lagPause)
		return
	}
	end := until
	if gap && next != until { // the copy is gone, too, or never was stored
		var err error
		if end, err = f.hub.end(ctx); err != nil {
			return
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.cursor < from: // the stream was made anew
	case gap && len(f.waiting.kept()) > 0:
		f.waiting.messages = f.waiting.messages[1:]
		if end < until {
			f.hub.forged(f.subject, 1)
			return
		}
		if next == until { // it is read, as it is stored
			f.target = max(f.target, until)
			until--
		}
		f.resetLocked(until)
	case f.target < until:
		// What was removed before, a read finds out, of a replica that has the next one.
		f.target = next
	}
}
