package feed

import (
	"maps"

	"weft/jetstream/subject"
)

// A subscription is one subject of one connection. All but index, which is the feed's,
// is guarded by the reader's lock.
type subscription struct {
	reader *Reader
	feed   *feed
	index  int

	joined  bool     // it is part of the reader
	live    bool     // it gets messages as they come
	held    bool     // its feed is catching up
	gone    bool     // unsubscribed
	renewed *renewal // it begins anew; what is being read does not count
	pos     uint64
	start   uint64 // the feed's cursor when the subscription was attached
	target  uint64 // the newest message that history must be read up to
	behind  bool   // history has to be read
	first   *history
	counts  counts // of a wildcard's history; used by whoever reads it
	queue   backlog
	before  *subscription // the wildcard that brought the subject until this subscription was made
	// had is set for a wildcard: up to where an exact subscription that was let go has
	// brought its subject, if that is beyond pos.
	had map[string]uint64
}

// matches reports whether this is a wildcard that brings the subject.
func (l *subscription) matches(s string) bool { return l.feed.wild && subject.Match(l.feed.subject, s) }

// handBack leaves the subject of an exact subscription that is let go to a wildcard.
func (l *subscription) handBack(exact *subscription) {
	if exact.feed.wild || !l.matches(exact.feed.subject) || exact.pos <= l.pos {
		return
	}
	maps.DeleteFunc(l.had, func(_ string, seq uint64) bool { return seq <= l.pos })
	if l.had == nil {
		l.had = make(map[string]uint64)
	}
	l.had[exact.feed.subject] = exact.pos
}

// settled reports whether everything up to the node's low watermark has been
// handed to the connection.
func (l *subscription) settled() bool { return l.live && !l.held }

// endedLocked reports why nothing more may be handed over.
func (l *subscription) endedLocked() error {
	switch {
	case l.reader.closed:
		return errGone
	case l.gone:
		return errLetGo
	}
	return nil
}

// take is handed every message of the feed, with the feed's lock held.
func (l *subscription) take(m *Message) {
	r := l.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case l.gone || r.closed:
	case l.live:
		r.emitLocked(l, m)
	default:
		l.queue.keep(m)
	}
}

// hold says whether the feed is catching up.
func (l *subscription) hold(on bool) {
	r := l.reader
	r.mu.Lock()
	l.held = on
	r.mu.Unlock()
}

// lose tells a live connection that history is gone up to head. One that is not
// live yet reads its history from the store and finds out there.
func (l *subscription) lose(reason string, head uint64) {
	r := l.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case l.gone || r.closed:
		return
	case !l.live:
		l.queue = backlog{lost: true, last: head}
		return
	}
	l.pos = max(l.pos, head)
	r.resetLocked([]*subscription{l}, reason)
}

// A renewal is why and where a subscription begins anew.
type renewal struct {
	reason string
	base   uint64
}

// recreation is the renewal in a stream that was made anew.
var recreation = &renewal{reason: ReasonRecreated}

// restart puts a connection at the beginning of a new stream.
func (l *subscription) restart() { l.renew(recreation, func() bool { return true }) }

// goBack puts a connection that has seen what the stream has not sent, up to a
// sequence that may never come, back to where the stream was. One that has not got
// so far only forgets what waits for it; one that was beyond before, by what it got
// elsewhere, has seen nothing of it. told is whether it was.
func (l *subscription) goBack(base, cursor uint64) (told bool) {
	return l.renew(&renewal{ReasonUnknown, base}, func() bool {
		if l.pos > base {
			return l.pos <= cursor
		}
		if !l.live {
			l.queue = backlog{lost: true, last: base}
		}
		return false
	})
}

// renew makes a subscription begin anew if it must, and reports whether it did. One that is still joining learns of it
// when it becomes part of the connection.
func (l *subscription) renew(n *renewal, must func() bool) bool {
	r := l.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.gone || r.closed || !must() {
		return false
	}
	l.renewed, l.queue = n, backlog{}
	if l.joined {
		l.renewLocked()
		r.resetLocked([]*subscription{l}, n.reason)
	}
	return true
}

// renewLocked forgets all positions but the base.
func (l *subscription) renewLocked() {
	l.pos, l.start, l.target, l.first, l.counts, l.had = l.renewed.base, 0, 0, nil, counts{}, nil
	if l.renewed == recreation {
		l.reader.low = 0
	}
}

// drainLocked makes the subscription live with what waited for it. It reports false
// when something was left out, which must be read first.
func (l *subscription) drainLocked() bool {
	q := l.queue
	l.queue = backlog{}
	if q.lost {
		l.target = max(l.target, q.last)
		l.behind = true
		return false
	}
	for _, m := range q.messages {
		l.reader.emitLocked(l, m)
	}
	l.live, l.behind, l.counts = true, false, counts{}
	return true
}
