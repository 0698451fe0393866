package feed

import (
	"context"
	"errors"

	"weft/jetstream/api"
)

// replay reads history, one subject after the other, at the pace of the
// connection.
func (r *Reader) replay(ctx context.Context, subs []*subscription) {
	for _, l := range subs {
		// One that was let go meanwhile does not hold up the others.
		if err := r.replayLink(ctx, l); err != nil && !errors.Is(err, errLetGo) {
			return
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.rcv.CaughtUp()
	}
}

func (r *Reader) replayLink(ctx context.Context, l *subscription) error {
	for {
		past, err := r.nextPart(ctx, l)
		if err != nil {
			return err
		}
		if past.gone {
			if r.loseAll(l, past.head) {
				return nil
			}
			continue
		}
		for _, m := range past.messages {
			if err := r.rcv.Room(ctx); err != nil {
				return err
			}
			r.mu.Lock()
			if err := l.endedLocked(); err != nil {
				r.mu.Unlock()
				return err
			}
			if l.renewed != nil {
				r.mu.Unlock()
				break // the rest is of the old stream
			}
			r.emitLocked(l, m)
			r.mu.Unlock()
		}
		if past.pending > 0 {
			continue
		}
		if done, err := r.finish(ctx, l); done || err != nil {
			return err
		}
	}
}

func (r *Reader) nextPart(ctx context.Context, l *subscription) (past history, _ error) {
	r.mu.Lock()
	if first := l.first; first != nil {
		l.first = nil
		r.mu.Unlock()
		return *first, nil
	}
	err, pos := l.endedLocked(), l.pos
	l.renewed = nil
	r.mu.Unlock()
	if err != nil {
		return past, err
	}
	if r.hub.retry(ctx, func() (err error) {
		past, err = r.past(ctx, l, pos)
		return err
	}) != nil {
		return past, errGone
	}
	return past, nil
}

// loseAll puts a subscription whose history is gone at the head. It reports whether the
// subscription is live then.
func (r *Reader) loseAll(l *subscription, head uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.gone || r.closed {
		return true
	}
	if l.renewed != nil {
		return false // it was gone from the old stream
	}
	l.pos, l.counts = max(l.pos, head), counts{}
	r.resetLocked([]*subscription{l}, ReasonTrimmed)
	return l.drainLocked()
}

// finish makes a subscription live whose history has been read to the end. It reports
// false when more has come, or when the replica that answered lags.
func (r *Reader) finish(ctx context.Context, l *subscription) (bool, error) {
	for {
		r.mu.Lock()
		if err := l.endedLocked(); err != nil {
			r.mu.Unlock()
			return true, err
		}
		if l.renewed != nil {
			r.mu.Unlock()
			return false, nil
		}
		if l.queue.lost {
			l.target, l.queue = max(l.target, l.queue.last), backlog{}
			r.mu.Unlock()
			return false, nil
		}
		pos, target := l.pos, l.target
		if pos >= target {
			done := l.drainLocked()
			r.mu.Unlock()
			return done, nil
		}
		r.mu.Unlock()
		var next uint64
		if r.hub.retry(ctx, func() (err error) {
			next, err = r.hub.node.Next(ctx, l.feed.subject, pos+1)
			return err
		}) != nil {
			return true, errGone
		}
		if next != 0 && next <= target {
			api.Sleep(ctx, lagPause)
			return false, nil
		}
		r.mu.Lock()
		l.target = pos // what was there has been removed, or was no event of ours
		r.mu.Unlock()
	}
}
