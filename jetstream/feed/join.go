package feed

import (
	"context"
	"errors"
	"slices"
	"time"

	"weft/jetstream/event"
	"weft/jetstream/store"
)

// A join is a set of subjects on its way into a Reader.
type join struct {
	subs   []*subscription
	lost   []*subscription
	reason string
	from   *event.Cursor  // nil: from now
	since  bool           // from is where a time lies: nobody has had anything before
	stream event.StreamID // that all of it is of
	now    uint64         // the low watermark before anything was attached
}

// join attaches the reader to subjects, each once, and finds out which of them
// can be gone on from the cursor. The subscriptions take no part in the reader's events
// before begin. leaving are wildcards that the reader lets go of when it has succeeded.
func (r *Reader) join(ctx context.Context, subjects []string, start Start, leaving []string) (_ *join, err error) {
	j := &join{stream: r.hub.streamID()}
	j.now = r.hub.lowWatermark() // after that: it is of this stream, or of a newer one
	if start.LastID != "" || start.Since.IsZero() {
		j.from, j.reason, err = r.hub.parse(ctx, j.stream, start.LastID)
	} else {
		err = j.begin(ctx, r.hub, start.Since)
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			r.abandon(j)
		}
	}()
	for _, subject := range subjects {
		if slices.ContainsFunc(j.subs, func(s *subscription) bool { return s.feed.subject == subject }) {
			continue
		}
		f, err := r.hub.feeds.acquire(ctx, subject, r.rcv.Owner(), leaving)
		if err != nil {
			return nil, err
		}
		s := &subscription{reader: r, feed: f, state: joining}
		f.attach(s)
		j.subs = append(j.subs, s)
		if err := r.place(ctx, j, s); err != nil {
			return nil, err
		}
	}
	return j, nil
}

// abandon lets go of subscriptions that did not become part of the reader.
func (r *Reader) abandon(j *join) {
	r.mu.Lock()
	for _, s := range j.subs {
		s.changeLocked(isLetGo)
	}
	r.mu.Unlock()
	for _, s := range j.subs {
		s.feed.detach(s)
	}
}

// parse reads a client's cursor. A cursor that cannot be gone on from gives the
// reason of the reset.
func (h *Hub) parse(ctx context.Context, stream event.StreamID, lastID string) (c *event.Cursor, reset string, err error) {
	if lastID == "" {
		return nil, "", nil
	}
	parsed, err := event.ParseCursor(lastID)
	if err != nil {
		return nil, ReasonUnknown, nil
	}
	if parsed.Stream != stream {
		return nil, ReasonRecreated, nil
	}
	top := parsed.Floor
	for _, seq := range parsed.Above {
		top = max(top, seq)
	}
	if top > max(h.lowWatermark(), h.ticks.last.Load()) {
		// Newer than what this node knows: from the future, unless the stream has
		// come that far. A leader that was cut off and has not noticed does not
		// know, so before it is called that a majority is asked.
		var st store.State
		var last uint64
		if err := h.retry(ctx, func() (err error) {
			if st, err = h.state.fresh(ctx); err == nil && top > st.Last {
				last, err = h.barrier.fresh(ctx)
			}
			return err
		}); err != nil {
			return nil, "", err
		}
		if st.ID != parsed.Stream {
			return nil, ReasonRecreated, nil
		}
		if top > max(st.Last, last) {
			return nil, ReasonUnknown, nil
		}
	}
	return &parsed, "", nil
}

// farAhead is how much later than by this node's clock a time is that nothing can be stored
// at yet, whatever the clocks say of those who lead: it is now.
const farAhead = time.Hour

// begin makes the join that of a client who has had all from before a time; a time to come is
// now. When it is to come is for the stream to say: this node's clock may be behind.
func (j *join) begin(ctx context.Context, h *Hub, t time.Time) error {
	if t.After(time.Now().Add(farAhead)) {
		return nil
	}
	if epoch := time.Unix(0, 0); t.Before(epoch) {
		t = epoch
	}
	j.from, j.since = &event.Cursor{Stream: j.stream}, true
	return h.retry(ctx, func() (err error) {
		j.from.Floor, err = h.store.Before(ctx, t)
		return err
	})
}

// place decides where a subscription begins. It reads a first part of its history if
// there may be some.
func (r *Reader) place(ctx context.Context, j *join, s *subscription) error {
	if !r.position(j, s) {
		return nil
	}
	past, local := s.own(ctx, j)
	if local && len(past.messages) == 0 {
		r.hub.metrics.exact.Inc()
		return nil
	}
	r.hub.metrics.replays.Inc()
	target := s.target
	if local && past.pending == 0 {
		// It may be read once more, from a replica that has not come so far.
		target = max(target, past.messages[len(past.messages)-1].Seq)
	} else {
		var err error
		if target, err = s.aim(ctx); err != nil {
			return err
		}
	}
	if s.feed.wild && j.since {
		if err := r.hub.retry(ctx, func() (err error) {
			began, err := r.hub.store.Head(ctx, ">")
			s.counts = &counts{began: began}
			return err
		}); err != nil {
			return err
		}
	}
	if !local {
		if err := r.hub.retry(ctx, func() (err error) {
			past, err = s.past(ctx, s.pos, j.since)
			return err
		}); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s.target = target
	if j.since && !s.beginLocked(past) {
		return nil
	}
	if past.gone {
		s.pos, s.counts = max(s.start, past.head), nil
		j.lost, j.reason = append(j.lost, s), ReasonTrimmed
		return nil
	}
	s.changeLocked(hasHistory)
	if len(j.subs) == 1 {
		s.first = &past
	} else if s.counts != nil {
		s.counts = &counts{began: s.counts.began} // it is read again: memory is bounded
	}
	return nil
}

// own reads a first part of the history of an exact subject from the node's own copy of the
// stream, if that has come to where the feed was when the subscription was attached: so the
// leader need not be asked up to where that is. What comes later, comes as delivery copies.
func (s *subscription) own(ctx context.Context, j *join) (history, bool) {
	if j.since {
		return history{}, false
	}
	s.reader.mu.Lock()
	pos, start, fresh := s.pos, s.start, s.state == joining
	s.reader.mu.Unlock()
	if !fresh { // its position counts no more
		return history{}, false
	}
	return ownHistory(ctx, s.feed, pos, start)
}

// beginLocked puts a subscription that begins at a time right before the first message that
// is stored since then, so that a client that comes back in the middle of what follows needs
// nothing that retention has removed before. It reports whether there is history.
func (s *subscription) beginLocked(past history) bool {
	switch {
	case len(past.messages) > 0:
		s.pos = past.messages[0].Seq - 1
	case !s.feed.wild && s.target <= s.pos: // nothing is, as the leader says
		s.pos = max(s.pos, s.start)
		return false
	}
	s.since = true
	return true
}

// position sets from where a subscription goes on, and reports whether there may be
// history after that.
func (r *Reader) position(j *join, s *subscription) (history bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case s.state == joiningAnew:
		return false
	case j.stream != r.hub.streamID(): // it was made anew before the subscription was attached
		s.restartLocked(recreation)
		return false
	case j.from != nil:
		s.pos = j.from.Of(s.feed.subject)
	case j.reason == "" && r.takeOverLocked(s):
	default:
		s.pos = max(s.start, j.now)
		if j.reason != "" {
			j.lost = append(j.lost, s)
		}
		return false
	}
	if s.pos >= s.start { // nothing came after it that this node knows of
		r.hub.metrics.exact.Inc()
		return false
	}
	return true
}

// aim finds out up to where the history of a subscription must be read, if its feed does
// not know: the replica that is read may lag.
func (s *subscription) aim(ctx context.Context) (target uint64, err error) {
	target = s.target
	if s.feed.wild || target != 0 {
		return target, nil
	}
	err = s.reader.hub.retry(ctx, func() (err error) {
		target, err = s.reader.hub.store.Head(ctx, s.feed.subject)
		return err
	})
	return target, err
}

// takeOverLocked makes an exact subject go on where a wildcard of this connection has
// brought it, which from then on leaves it out. It reports false when there is
// no such wildcard.
func (r *Reader) takeOverLocked(s *subscription) bool {
	if s.feed.wild {
		return false
	}
	i := slices.IndexFunc(r.subs, func(o *subscription) bool { return o.matches(s.feed.subject) })
	if i < 0 {
		return false
	}
	r.advanceLocked()
	s.before = r.subs[i]
	s.pos = max(r.low, s.before.pos)
	return true
}

// enterLocked makes the subscriptions part of the reader, so that they count in its
// cursor. The low watermark must not be beyond what any of them still has to hand over;
// what the others have got beyond it then stands in entries of their own.
func (r *Reader) enterLocked(j *join) {
	current := r.hub.streamID()
	if len(r.subs) > 0 && r.stream != current { // which some have yet to be told
		r.startOverLocked()
	}
	low := r.low
	if len(r.subs) == 0 {
		r.stream = j.stream
		if j.from != nil {
			low = j.from.Floor
		}
	}
	for _, s := range j.subs {
		if j.stream != current && s.state != joiningAnew { // as well
			s.restartLocked(recreation)
		}
		switch n := s.anew; {
		case s.state == joiningAnew:
			s.forgetLocked(n)
			low = min(low, s.pos)
			j.lost, j.reason = append(slices.DeleteFunc(j.lost, func(o *subscription) bool { return o == s }), s), n.reason
		case s.before != nil: // that has gone on meanwhile
			s.pos = max(s.pos, s.before.pos)
		}
		low = min(low, s.pos)
	}
	for _, s := range r.subs {
		s.pos = max(s.pos, r.low)
	}
	r.low = low
	r.subs = append(r.subs, j.subs...)
	r.steady, r.at = false, 0
}

var (
	errGone  = errors.New("the connection has ended")
	errLetGo = errors.New("the subject was let go")
)

// begin makes the subscriptions part of the reader, calls opened, and makes them live,
// those with history after it was read. All that is one step: an event of another subject
// in between would bring a cursor that is beyond a reset which the client has not been
// told yet.
func (r *Reader) begin(j *join, opened func()) error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		r.abandon(j)
		return errGone
	}
	defer r.mu.Unlock()
	r.enterLocked(j)
	opened()
	if len(j.lost) > 0 {
		r.resetLocked(j.lost, j.reason)
	}
	var behind []*subscription
	for _, s := range j.subs {
		current := s.state == joining
		s.changeLocked(begins)
		if !current || !s.catchUpLocked() {
			behind = append(behind, s)
		}
	}
	if len(behind) == 0 {
		r.rcv.CaughtUp()
		return nil
	}
	r.hub.tasks.Go(func() {
		ctx, leave := r.lifetime.enter(r.hub.ctx)
		defer leave()
		r.replay(ctx, behind)
	})
	return nil
}
