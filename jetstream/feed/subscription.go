package feed

import (
	"maps"

	"weft/jetstream/subject"
)

// A subscription is one subject of one connection. What is not said to be somebody
// else's is guarded by the reader's lock.
type subscription struct {
	reader *Reader
	feed   *feed
	index  int32 // in feed.subs; the feed's

	state  subState
	since  bool   // it begins at a time, and nothing of its history has been read to be handed over
	pos    uint64 // all of the subject up to here was handed over
	start  uint64 // the feed's cursor when the subscription was attached
	target uint64 // the newest message that history must be read up to
	first  *history
	queue  *backlog // what came and could not be handed over yet
	anew   *restart
	counts *counts       // of a wildcard's history; whoever's who reads it
	before *subscription // the wildcard that brought the subject until this one was made
	// brought is set for a wildcard: up to where an exact subscription that was let go
	// has brought its subject, if that is beyond pos.
	brought map[string]uint64
}

// A subState is where a subscription stands.
//
//	joining        attached to its feed, not yet part of the reader; nothing has to be read
//	joiningBehind  the same, but history has to be read first
//	joiningAnew    the same, but its position counts no more: the stream was made anew, or
//	               has not sent what the position is of
//	replaying      part of the reader; history is being read at the connection's pace
//	replayingAnew  the same, but what is being read counts no more, for the same reasons
//	live           history has been handed over, and what comes is handed over at once
//	gone           let go: nothing is handed over any more
//
// What happens to it, and where it stands then (– cannot happen):
//
//	                 joining        joiningBehind  joiningAnew    replaying      replayingAnew  live   gone
//	a copy           waits          waits          waits          waits          waits          emit   drop
//	is trimmed       read           read           read           read           read           reset  drop
//	hasHistory       joiningBehind  –              joiningAnew    –              –              –      –
//	startsAnew       joiningAnew    joiningAnew    joiningAnew    replayingAnew  replayingAnew  live   –
//	begins           replaying      replaying      replayingAnew  –              –              –      –
//	reads            –              –              –              replaying      replaying      –      –
//	isCaughtUp       –              –              –              live           –              –      –
//	isLetGo          gone           gone           gone           gone           gone           gone   gone
//
// Who starts anew while it is live or replaying is told so by a reset at once, who is
// joining when it begins. Whether the feed itself is catching up is the feed's state and
// not one of these: see settled.
type subState uint8

const (
	joining subState = iota + 1
	joiningBehind
	joiningAnew
	replaying
	replayingAnew
	live
	gone
)

func (s subState) String() string {
	return [...]string{"", "joining", "joining behind", "joining anew", "replaying", "replaying anew", "live", "gone"}[s]
}

// A subEvent is what changes the state of a subscription.
type subEvent uint8

const (
	hasHistory subEvent = iota
	startsAnew
	begins
	reads
	isCaughtUp
	isLetGo
)

func (e subEvent) String() string {
	return [...]string{"has history", "starts anew", "begins", "reads", "is caught up", "is let go"}[e]
}

// transitions are the lower part of the table above; 0: it cannot happen.
var transitions = [...][gone + 1]subState{
	hasHistory: {joining: joiningBehind, joiningAnew: joiningAnew},
	startsAnew: {joining: joiningAnew, joiningBehind: joiningAnew, joiningAnew: joiningAnew,
		replaying: replayingAnew, replayingAnew: replayingAnew, live: live},
	begins:     {joining: replaying, joiningBehind: replaying, joiningAnew: replayingAnew},
	reads:      {replaying: replaying, replayingAnew: replaying},
	isCaughtUp: {replaying: live},
	isLetGo: {joining: gone, joiningBehind: gone, joiningAnew: gone,
		replaying: gone, replayingAnew: gone, live: gone, gone: gone},
}

// changeLocked is the one place where the state changes.
func (s *subscription) changeLocked(e subEvent) {
	next := transitions[e][s.state]
	if next == 0 {
		s.reader.hub.log.Error("a subscription is in a state that it cannot be in",
			"subject", s.feed.subject, "state", s.state, "event", e)
		return
	}
	s.state = next
}

// joinedLocked reports whether it is part of the reader.
func (s *subscription) joinedLocked() bool { return s.state >= replaying && s.state <= live }

// settledLocked reports whether everything up to the node's low watermark has been
// handed to the connection.
func (s *subscription) settledLocked() bool { return s.state == live && s.feed.isLive() }

// deafLocked reports whether nothing may be handed over any more.
func (s *subscription) deafLocked() bool { return s.state == gone || s.reader.closed }

// endedLocked reports why nothing more may be handed over.
func (s *subscription) endedLocked() error {
	switch {
	case s.reader.closed:
		return errGone
	case s.state == gone:
		return errLetGo
	}
	return nil
}

// take is handed every message of the feed, with the feed's lock held.
func (s *subscription) take(m *Message) {
	r := s.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case s.deafLocked():
	case s.state == live:
		r.emitLocked(s, m)
	default:
		s.queue = s.queue.keep(m)
	}
}

// trimmed tells a live connection that history is gone up to head. One that is not
// live yet reads its history from the store and finds out there.
func (s *subscription) trimmed(head uint64) {
	r := s.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case s.deafLocked():
	case s.state == live:
		s.pos = max(s.pos, head)
		r.resetLocked([]*subscription{s}, ReasonTrimmed)
	default:
		s.queue = &backlog{lost: true, last: head}
	}
}

// A restart is why and where a subscription starts anew.
type restart struct {
	reason string
	base   uint64
}

// recreation is the restart in a stream that was made anew.
var recreation = &restart{reason: ReasonRecreated}

// recreated puts a connection at the beginning of a new stream.
func (s *subscription) recreated() {
	s.reader.mu.Lock()
	defer s.reader.mu.Unlock()
	if !s.deafLocked() {
		s.restartLocked(recreation)
	}
}

// rollBack puts a connection that has seen what the stream has not sent, up to a
// sequence that may never come, back to where the stream was. One that has not got
// so far only forgets what waits for it; one that was beyond before, by what it got
// elsewhere, has seen nothing of it. told is whether it was.
func (s *subscription) rollBack(base, cursor uint64) (told bool) {
	s.reader.mu.Lock()
	defer s.reader.mu.Unlock()
	switch {
	case s.deafLocked():
	case s.pos > base && s.pos <= cursor:
		s.restartLocked(&restart{ReasonUnknown, base})
		return true
	case s.pos <= base && s.state != live:
		s.queue = &backlog{lost: true, last: base}
		s.start = min(s.start, base) // which may be all that its position will be made of
	}
	return false
}

// restartLocked makes a subscription start anew. One that is joining learns of it when
// it begins.
func (s *subscription) restartLocked(n *restart) {
	s.queue = nil
	s.changeLocked(startsAnew)
	if !s.joinedLocked() {
		s.anew = n
		return
	}
	s.forgetLocked(n)
	s.reader.resetLocked([]*subscription{s}, n.reason)
}

// forgetLocked forgets all positions but the base of a restart.
func (s *subscription) forgetLocked(n *restart) {
	s.pos, s.start, s.target, s.first, s.brought, s.anew, s.since = n.base, 0, 0, nil, nil, nil, false
	if n == recreation {
		s.reader.startOverLocked()
	}
}

// catchUpLocked makes the subscription live with what waited for it. It reports false
// when something was left out, which must be read first.
func (s *subscription) catchUpLocked() bool {
	q := s.queue
	s.queue = nil
	if q.isLost() {
		s.target = max(s.target, q.last)
		return false
	}
	for _, m := range q.kept() {
		s.reader.emitLocked(s, m)
	}
	s.changeLocked(isCaughtUp)
	s.counts = nil
	return true
}

// matches reports whether this is a wildcard that brings a subject.
func (s *subscription) matches(of string) bool {
	return s.feed.wild && subject.Match(s.feed.subject, of)
}

// handBackLocked leaves the subject of an exact subscription that is let go to a
// wildcard.
func (s *subscription) handBackLocked(exact *subscription) {
	if exact.feed.wild || !s.matches(exact.feed.subject) || exact.pos <= s.pos {
		return
	}
	maps.DeleteFunc(s.brought, func(_ string, seq uint64) bool { return seq <= s.pos })
	if s.brought == nil {
		s.brought = make(map[string]uint64)
	}
	s.brought[exact.feed.subject] = exact.pos
}
