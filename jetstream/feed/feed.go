package feed

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"weft/jetstream/event"
	"weft/jetstream/natsconn"
)

// A feed is one subject on one node.
type feed struct {
	hub      *Hub
	subject  string // of an exact one it is a part of key
	key      string // in the directory
	hash     event.SubjectHash
	wild     bool
	opened   chan struct{} // closed when it is live for the first time; set by openings.open
	reached  atomic.Uint64 // of a wildcard: the position of its consumer
	renew    func()        // of a wildcard: makes the consumer anew; guarded by mu
	lifetime lifetime

	// The directory's.
	leaving *time.Timer
	users   int32

	state atomic.Uint32 // a feedState; changes with mu held

	mu          sync.Mutex
	sub         natsconn.Subscription
	cursor      uint64 // everything up to here has been handed on
	last        uint64 // newest message that came since it was opened, 0 for none
	target      uint64 // while it catches up: all up to here must have been read
	waiting     *backlog
	unconfirmed unconfirmed // of what only delivery copies speak for
	rejected    int32       // copies that conflict with what was handed on, and were not
	conflict    bool        // something speaks against what was handed on
	subs        []*subscription
	single      [1]*subscription // holds subs while there is one: an object less to look through
}

func newFeed(h *Hub, subject, key string, wild bool) *feed {
	f := &feed{hub: h, subject: subject, key: key, wild: wild, hash: event.HashSubject(subject),
		renew: func() {}}
	if !wild {
		f.subject = key[len(key)-len(subject):]
	}
	f.subs = f.single[:0]
	return f
}

// work runs a task of the feed, whose context ends with the feed.
func (f *feed) work(task func(ctx context.Context)) {
	f.hub.tasks.Go(func() {
		ctx, leave := f.lifetime.enter(f.hub.ctx)
		defer leave()
		task(ctx)
	})
}

func (f *feed) subscription() natsconn.Subscription {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sub
}

// A feedState is where a feed stands.
//
//	feedOpening     nobody knows yet where the stream stands
//	feedLive        what comes is handed on at once
//	feedCatchingUp  something is missing, or in doubt: what comes waits until the feed's
//	                one worker (catchUp) has read the rest
//
// What happens to it, and where it stands then (– cannot happen):
//
//	                             feedOpening     feedLive        feedCatchingUp
//	copy: the next one           waits           handed on       waits
//	copy: a duplicate            waits           dropped         waits
//	copy: after a gap            waits           feedCatchingUp  waits
//	copy: one that conflicts     waits           feedCatchingUp  waits
//	resync, reconcile: missing   is read         feedCatchingUp  is read
//	outOfOrder: had from beyond  is read         feedCatchingUp  is read
//	recreated                    is read         feedCatchingUp  is read
//	settle: all is there         feedLive        –               feedLive
//	settle: not all              feedCatchingUp  –               feedCatchingUp
//
// A wildcard has no copies: it goes from feedOpening to feedLive, and stays. A feed that
// has ended (lifetime) is in no table: nobody can find it, and its worker ends.
type feedState uint32

const (
	feedOpening feedState = iota
	feedLive
	feedCatchingUp
)

// changeLocked is the one place where the state changes. A feed that begins to catch up
// gets its worker, and is counted before anybody can see that it does.
func (f *feed) changeLocked(to feedState) {
	begins := to == feedCatchingUp && feedState(f.state.Load()) != to
	if begins {
		f.hub.catchingUp.Add(1)
	}
	f.state.Store(uint32(to))
	if begins {
		f.work(catchUp{f}.run)
	}
}

// isLive may be asked without the feed's lock: a feed stops being live before anything
// that it does not have can lie below the low watermark.
func (f *feed) isLive() bool { return feedState(f.state.Load()) == feedLive }

// copy takes a delivery copy. It is called by the hub's reader only.
func (f *feed) copy(m *Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.isLive() {
		f.waiting = f.waiting.keep(m)
		return
	}
	switch f.classifyLocked(m) {
	case isNext:
		f.unconfirmed.add(m, f.hub.lowWatermark)
		f.handLocked(m)
	case isGap:
		f.hub.metrics.gaps.Inc()
		f.waiting = f.waiting.keep(m)
		f.suspendLocked(m.previous)
	case isConflict:
		f.conflictLocked(m)
	}
}

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
		if slices.ContainsFunc(f.waiting.kept(), func(m *Message) bool { return m.Seq > seq }) {
			f.waiting = &backlog{lost: true, last: seq} // all of it is read
		}
	case f.unconfirmed.top() > seq:
		f.conflict = true
		f.suspendLocked(seq + 1)
	}
}

// resync makes the feed read what it may have missed up to a sequence, unless
// it has that. It reads by itself because only so it finds out what was removed
// before it could be read.
func (f *feed) resync(until uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.wild && until > f.cursor {
		f.resyncLocked(until)
	}
}

func (f *feed) resyncLocked(until uint64) {
	f.target = max(f.target, until)
	if f.isLive() {
		f.suspendLocked(until)
	}
}

// suspendLocked stops handing on until the feed has caught up with a message of
// this sequence. All up to the low watermark has been handed on: it need not, and
// after a long time cannot, be confirmed again.
func (f *feed) suspendLocked(missing uint64) {
	confirmed := min(f.hub.lowWatermark(), missing-1)
	f.unconfirmed.confirm(confirmed)
	f.unconfirmed.confirmed = max(f.unconfirmed.confirmed, confirmed)
	f.cursor = max(f.cursor, confirmed)
	f.changeLocked(feedCatchingUp)
}

// handLocked hands a message to all connections. They only append it.
func (f *feed) handLocked(m *Message) {
	f.cursor, f.last = m.Seq, m.Seq
	if m.dropped {
		f.hub.metrics.dropped.Inc()
	}
	if len(f.subs) > 0 {
		f.hub.metrics.delivered(m)
	}
	m.GoesTo(len(f.subs))
	for _, s := range f.subs {
		s.take(m)
	}
}

// settle hands on what waited, if nothing is missing before it, and makes the
// feed live. It reports whether it could; else the feed must read first.
func (f *feed) settle() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.settleLocked() {
		f.changeLocked(feedCatchingUp)
		return false
	}
	f.changeLocked(feedLive)
	return true
}

// settleLocked hands on what waited, and reports whether nothing is missing.
func (f *feed) settleLocked() bool {
	if f.waiting.isLost() {
		f.target = max(f.target, f.waiting.last)
		f.waiting = nil
		return false
	}
	for i, m := range f.waiting.kept() {
		switch f.classifyLocked(m) {
		case isNext:
			f.unconfirmed.add(m, f.hub.lowWatermark)
			f.handLocked(m)
		case isGap:
			f.waiting.messages = f.waiting.messages[i:]
			return false
		case isConflict:
			f.waiting.messages = f.waiting.messages[i+1:]
			f.noteConflictLocked(m)
			return false
		}
	}
	f.waiting = nil
	if f.cursor < f.target {
		return false
	}
	f.target = 0
	return true
}

func (f *feed) position() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cursor
}

// resetLocked tells all live connections that history is gone up to head. Which message
// is the newest by then has to be asked by who joins with a cursor from elsewhere.
func (f *feed) resetLocked(head uint64) {
	f.cursor, f.last = max(f.cursor, head), 0
	f.unconfirmed.reset(f.cursor)
	for _, s := range f.subs {
		s.trimmed(f.cursor)
	}
}

// recreated starts over on a new stream, which counts from 1 again. All up to last must be
// read: its copies may have come before it was known to be another one.
func (f *feed) recreated(last uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cursor, f.last, f.target, f.waiting = 0, 0, last, nil
	f.unconfirmed.reset(0)
	f.conflict, f.rejected = false, 0
	f.reached.Store(0)
	for _, s := range f.subs {
		s.recreated()
	}
	switch {
	case f.wild:
		f.renew()
	case f.isLive():
		f.suspendLocked(1)
	default:
		f.waiting = &backlog{lost: true} // what is being read is of the old stream
	}
}

func (f *feed) attach(s *subscription) {
	defer f.hub.feeds.counted(f)
	f.mu.Lock()
	defer f.mu.Unlock()
	s.index = int32(len(f.subs))
	if f.subs = append(f.subs, s); len(f.subs) > 1 {
		f.single[0] = nil
	}
	s.start, s.target = f.cursor, f.last
	if f.wild {
		s.target = f.cursor
	}
}

func (f *feed) detach(s *subscription) {
	f.mu.Lock()
	n := len(f.subs) - 1
	f.subs[n].index = s.index
	f.subs[s.index] = f.subs[n]
	f.subs[n] = nil
	f.subs = f.subs[:n]
	f.mu.Unlock()
	f.hub.feeds.counted(f)
	f.hub.feeds.release(f, s.reader.rcv.Owner())
}

// end lets go of what the feed holds. Nobody can find it any more.
func (f *feed) end() {
	f.lifetime.end()
	f.hub.copies.Unsubscribe(f.subscription())
}
