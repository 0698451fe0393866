package feed

import (
	"context"
	"errors"

	"weft/jetstream/api"
	"weft/jetstream/store"
)

// replay reads history, one subject after the other, at the pace of the
// connection.
func (r *Reader) replay(ctx context.Context, subs []*subscription) {
	for _, s := range subs {
		// One that was let go meanwhile does not hold up the others.
		if err := s.replay(ctx); err != nil && !errors.Is(err, errLetGo) {
			return
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.rcv.CaughtUp()
	}
}

// replay hands over the history of one subject, and makes it live.
func (s *subscription) replay(ctx context.Context) error {
	for {
		past, err := s.nextPart(ctx)
		if err != nil {
			return err
		}
		if past.gone {
			if s.loseAll(past.head) {
				return nil
			}
			continue
		}
		for _, m := range past.messages {
			if err := s.reader.rcv.Room(ctx); err != nil {
				return err
			}
			if counts, err := s.replayOne(m); err != nil {
				return err
			} else if !counts {
				break // the rest is of the old stream
			}
		}
		if past.pending > 0 {
			continue
		}
		if done, err := s.finish(ctx); done || err != nil {
			return err
		}
	}
}

// replayOne hands over one message of history, if what is being read still counts.
func (s *subscription) replayOne(m *Message) (counts bool, err error) {
	s.reader.mu.Lock()
	defer s.reader.mu.Unlock()
	if err := s.endedLocked(); err != nil {
		return false, err
	}
	if s.state == replayingAnew {
		return false, nil
	}
	s.reader.emitLocked(s, m)
	return true, nil
}

// nextPart reads the next part of history, unless it was when the subscription joined.
func (s *subscription) nextPart(ctx context.Context) (past history, _ error) {
	r := s.reader
	r.mu.Lock()
	if first := s.first; first != nil {
		s.first, s.since = nil, s.since && len(first.messages) == 0
		r.mu.Unlock()
		return *first, nil
	}
	if err := s.endedLocked(); err != nil {
		r.mu.Unlock()
		return past, err
	}
	if s.state == replayingAnew {
		s.counts = nil
	}
	s.changeLocked(reads)
	pos, since, start := s.pos, s.since, s.start
	r.mu.Unlock()
	if !since {
		if past, ok := ownHistory(ctx, s.feed, pos, start); ok {
			return past, nil
		}
	}
	if r.hub.retry(ctx, func() (err error) {
		past, err = s.past(ctx, pos, since)
		return err
	}) != nil {
		return past, errGone
	}
	if since && len(past.messages) > 0 {
		r.mu.Lock()
		s.since = false
		r.mu.Unlock()
	}
	return past, nil
}

// past reads the history after a position. Since a time it is what is stored, whatever
// retention has removed.
func (s *subscription) past(ctx context.Context, pos uint64, since bool) (history, error) {
	if since {
		h := s.reader.hub
		b, err := h.store.Read(ctx, s.feed.subject, pos+1, store.MaxBatch, readBytes)
		if err == nil {
			b, _, err = fill(ctx, h, s.feed.subject, pos, b)
		}
		return h.part(b), err
	}
	if s.counts == nil {
		s.counts = new(counts)
	}
	return s.reader.hub.history(ctx, s.feed.subject, pos, s.counts)
}

// loseAll puts a subscription whose history is gone at the head. It reports whether
// there is nothing more to read.
func (s *subscription) loseAll(head uint64) bool {
	r := s.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case s.deafLocked():
		return true
	case s.state == replayingAnew:
		return false // it was gone from the old stream
	}
	s.pos, s.counts = max(s.pos, head), nil
	r.resetLocked([]*subscription{s}, ReasonTrimmed)
	return s.catchUpLocked()
}

// finish makes a subscription live whose history has been read to the end. It reports
// false when more has come, or when the replica that answered lags.
func (s *subscription) finish(ctx context.Context) (bool, error) {
	r := s.reader
	for {
		done, pos, target, err := s.finishNow()
		if done || err != nil {
			return true, err
		}
		if pos >= target {
			return false, nil // there is more to read
		}
		var next uint64
		if r.hub.retry(ctx, func() (err error) {
			next, err = r.hub.store.Next(ctx, s.feed.subject, pos+1)
			return err
		}) != nil {
			return true, errGone
		}
		if next != 0 && next <= target {
			api.Sleep(ctx, lagPause)
			return false, nil
		}
		r.mu.Lock()
		// What was there has been removed, or was no event of ours. A replica that has the
		// next one knows which.
		s.target = max(pos, next)
		r.mu.Unlock()
	}
}

// finishNow makes the subscription live if all up to its target was read. While pos is
// below target it has to be asked whether anything is in between.
func (s *subscription) finishNow() (done bool, pos, target uint64, err error) {
	s.reader.mu.Lock()
	defer s.reader.mu.Unlock()
	switch err := s.endedLocked(); {
	case err != nil:
		return false, 0, 0, err
	case s.state == replayingAnew:
		return false, 0, 0, nil
	case s.queue.isLost():
		s.target, s.queue = max(s.target, s.queue.last), nil
		return false, 0, 0, nil
	case s.pos < s.target:
		return false, s.pos, s.target, nil
	}
	return s.catchUpLocked(), 0, 0, nil
}
