package feed

import (
	"context"
	"errors"
	"slices"

	"weft/jetstream"
	"weft/jetstream/event"
)

// A join is a set of subjects on its way into a Reader.
type join struct {
	subs   []*subscription
	lost   []*subscription
	reason string
	from   *event.Cursor // nil: from now
	now    uint64        // the low watermark before anything was attached
}

// join attaches the reader to subjects, each once, and finds out which of them
// can be gone on from the cursor. The subscriptions take no part in the reader's events
// before begin.
func (r *Reader) join(ctx context.Context, subjects []string, lastID string) (_ *join, err error) {
	j := &join{now: r.hub.lowWatermark()}
	if j.from, j.reason, err = r.hub.parse(ctx, lastID); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			r.abandon(j)
		}
	}()
	for _, s := range subjects {
		if slices.ContainsFunc(j.subs, func(l *subscription) bool { return l.feed.subject == s }) {
			continue
		}
		f, err := r.hub.acquire(ctx, s, r.rcv.Owner())
		if err != nil {
			return nil, err
		}
		l := &subscription{reader: r, feed: f}
		f.attach(l)
		j.subs = append(j.subs, l)
		if err := r.place(ctx, j, l); err != nil {
			return nil, err
		}
	}
	return j, nil
}

// abandon lets go of subscriptions that did not become part of the reader.
func (r *Reader) abandon(j *join) {
	for _, l := range j.subs {
		r.mu.Lock()
		l.gone = true
		r.mu.Unlock()
		l.feed.detach(l)
	}
}

// parse reads a client's cursor. A cursor that cannot be gone on from gives the
// reason of the reset.
func (h *Hub) parse(ctx context.Context, lastID string) (c *event.Cursor, reset string, err error) {
	if lastID == "" {
		return nil, "", nil
	}
	parsed, err := event.ParseCursor(lastID)
	if err != nil {
		return nil, ReasonUnknown, nil
	}
	if parsed.Stream != h.node.StreamID() {
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
		var st jetstream.State
		var last uint64
		if err := h.retry(ctx, func() (err error) {
			if st, err = h.state.fresh(ctx); err == nil && top > st.Last {
				last, err = h.position.fresh(ctx)
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

// place decides where a subscription begins. It reads a first part of its history if
// there may be some.
func (r *Reader) place(ctx context.Context, j *join, l *subscription) error {
	switch {
	case j.from != nil:
		l.pos = j.from.Of(l.feed.subject)
	case j.reason == "" && r.takeOver(l):
	default:
		l.pos = max(l.start, j.now)
		if j.reason != "" {
			j.lost = append(j.lost, l)
		}
		return nil
	}
	if l.pos >= l.start {
		r.hub.metrics.exact.Inc()
		return nil // nothing came after it that this node knows of
	}
	r.hub.metrics.replays.Inc()
	if err := r.aim(ctx, l); err != nil {
		return err
	}
	var past history
	if err := r.hub.retry(ctx, func() (err error) {
		past, err = r.past(ctx, l, l.pos)
		return err
	}); err != nil {
		return err
	}
	if past.gone {
		l.pos, l.counts = max(l.start, past.head), counts{}
		j.lost, j.reason = append(j.lost, l), ReasonTrimmed
		return nil
	}
	l.behind = true
	if len(j.subs) == 1 {
		l.first = &past
	} else {
		l.counts = counts{} // it is read again: memory is bounded
	}
	return nil
}

// aim finds out up to where the history of a subscription must be read, if its feed does
// not know: the replica that is read may lag.
func (r *Reader) aim(ctx context.Context, l *subscription) error {
	if l.feed.wild || l.target != 0 {
		return nil
	}
	return r.hub.retry(ctx, func() (err error) {
		l.target, err = r.hub.node.Head(ctx, l.feed.subject)
		return err
	})
}

// takeOver makes an exact subject go on where a wildcard of this connection has
// brought it, which from then on leaves it out. It reports false when there is
// no such wildcard.
func (r *Reader) takeOver(l *subscription) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.feed.wild {
		return false
	}
	i := slices.IndexFunc(r.subs, func(o *subscription) bool { return o.matches(l.feed.subject) })
	if i < 0 {
		return false
	}
	r.advanceLocked()
	l.before = r.subs[i]
	l.pos = max(r.low, l.before.pos)
	return true
}

// past reads the history of a subscription after a position.
func (r *Reader) past(ctx context.Context, l *subscription, pos uint64) (history, error) {
	return r.hub.history(ctx, l.feed.subject, pos, &l.counts)
}

// enterLocked makes the subscriptions part of the reader, so that they count in its
// cursor. The low watermark must not be beyond what any of them still has to hand over; what
// the others have got beyond it then stands in entries of their own.
func (r *Reader) enterLocked(j *join) {
	low := r.low
	if len(r.subs) == 0 && j.from != nil {
		low = j.from.Floor
	}
	for _, l := range j.subs {
		l.joined = true
		if l.renewed != nil {
			l.renewLocked()
			l.behind, low = true, min(low, l.pos)
			j.lost, j.reason = append(slices.DeleteFunc(j.lost, func(o *subscription) bool { return o == l }), l), l.renewed.reason
		} else if l.before != nil { // that has gone on meanwhile
			l.pos = max(l.pos, l.before.pos)
		}
		low = min(low, l.pos)
	}
	for _, l := range r.subs {
		l.pos = max(l.pos, r.low)
	}
	r.low = low
	r.subs = append(r.subs, j.subs...)
}

var (
	errGone  = errors.New("the connection has ended")
	errLetGo = errors.New("the subject was let go")
)

// begin makes the subscriptions part of the reader, calls opened, and makes the subscriptions
// live, those with history after it was read. All that is one step: an event of
// another subject in between would bring a cursor that is beyond a reset which
// the client has not been told yet.
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
	for _, l := range j.subs {
		if l.behind || !l.drainLocked() {
			behind = append(behind, l)
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
