package feed

import (
	"context"
	"errors"
	"math"

	"weft/jetstream/store"
	"weft/jetstream/subject"
)

// readBytes bounds what one read of history holds in memory.
const readBytes = 512 << 10

// A history is what is stored of a subject after a sequence: a first part of
// it, or the news that some of it is gone.
type history struct {
	messages []*Message
	pending  uint64 // how many more there are
	// gone is set when something after the sequence is not stored any more, or
	// cannot be confirmed to be. Then there are no messages, and head is where the
	// subject stands.
	gone bool
	head uint64
}

// history reads what follows after the sequence on subject.
//
// Of an exact subject nothing was removed when the message with that sequence, or with the
// next one, is still stored under it, since its oldest message always goes first. Else it
// is complete when fewer messages follow than the limit per subject, so that
// this limit removed none, and when the stream still holds anything from before
// the sequence, so that age and size removed none: marks stay until age or size
// takes them. That is asked after the messages were read. The limit holds for
// each subject that a wildcard matches by itself: c, which is for the parts of
// one history, counts them when the number in total does not settle it.
func (h *Hub) history(ctx context.Context, s string, after uint64, c *counts) (history, error) {
	wild := subject.IsPattern(s)
	from := after
	if wild {
		from++
	}
	b, err := h.store.Read(ctx, s, from, store.MaxBatch, readBytes)
	if err != nil {
		return history{}, err
	}
	if len(b.Messages) > 0 && b.Messages[0].Seq == after {
		if b.Messages = b.Messages[1:]; len(b.Messages) == 0 && b.Pending > 0 {
			// It alone was as much as one read returns.
			if b, err = h.store.Read(ctx, s, after+1, store.MaxBatch, readBytes); err != nil {
				return history{}, err
			}
			if b, _, err = fill(ctx, h, s, after, b); err != nil { // another copy may have answered
				return history{}, err
			}
		}
		return h.part(b), nil
	}
	past := h.part(b)
	if !wild && len(past.messages) > 0 && past.messages[0].Seq == after+1 {
		return past, nil
	}
	limit := uint64(h.store.Limits().MaxPerSubject)
	below := uint64(len(past.messages))+past.pending < limit
	if !below && wild {
		if below, err = c.extend(ctx, h, s, after, limit); err != nil {
			return history{}, err
		}
	}
	st, err := h.state.fresh(ctx)
	if err != nil {
		return history{}, err
	}
	if below && st.First <= after+1 {
		whole, older, err := fill(ctx, h, s, after, b)
		switch same := len(whole.Messages) == len(b.Messages); {
		case err != nil:
			return history{}, err
		case older || whole.Pending > b.Pending || wild && !same && uint64(len(whole.Messages))+whole.Pending >= limit:
			return history{}, errShort
		case same || uint64(len(whole.Messages))+whole.Pending < limit:
			if reached, err := limitReached(ctx, h, s, after, limit); err != nil {
				return history{}, err
			} else if reached {
				break
			}
			past = h.part(whole)
			c.pass(past.messages)
			return past, nil
		}
		// The copy only seemed to have fewer than the limit: it lagged, or had let some go.
	}
	past = history{gone: true, head: st.Last}
	if !wild {
		past.head, err = h.store.Head(ctx, s)
	}
	return past, err
}

// ownHistory reads what follows after a sequence from the node's own copy of the stream, which
// has come to the sequence until. It is not ok when that does not know, or something may be
// gone, and never of a wildcard.
func ownHistory(ctx context.Context, f *feed, seq, until uint64) (history, bool) {
	if f.wild {
		return history{}, false
	}
	b, ok := f.hub.store.After(ctx, f.subject, seq, until, store.MaxBatch, readBytes)
	if !ok {
		return history{}, false
	}
	f.hub.metrics.local.Inc()
	return f.hub.part(b), true
}

// fill adds to what was read of a subject after a sequence what the copy that answered does
// not have, though the leader does: each copy lets messages go by the age that its own node's
// clock gives them, the oldest ones first. So when it has the first one that the leader has,
// it has all. A copy that has none may as well lag. What is older than all that the leader has
// shows that a copy does.
func fill(ctx context.Context, h *Hub, s string, after uint64, b store.Batch) (_ store.Batch, older bool, err error) {
	if !h.p.Clustered {
		return b, false, nil
	}
	until := uint64(math.MaxUint64)
	if len(b.Messages) > 0 {
		until = b.Messages[0].Seq
	}
	var missing store.Batch
	for size := 0; ; {
		m, ok, err := h.store.First(ctx, s, after+1)
		if err != nil {
			return b, false, err
		}
		if !ok || m.Seq >= until {
			older = ok && m.Seq > until
			break
		}
		if len(missing.Messages) == store.MaxBatch || size >= readBytes {
			missing.Pending = 1 + uint64(len(b.Messages)) + b.Pending
			return missing, false, nil
		}
		missing.Messages, size, after = append(missing.Messages, m), size+len(m.Data), m.Seq
	}
	h.metrics.filled.Add(float64(len(missing.Messages)))
	b.Messages = append(missing.Messages, b.Messages...)
	return b, older, nil
}

// limitReached reports whether the leader has as many messages of an exact subject as the limit
// allows, all of them after a sequence. A copy that lags cannot know.
func limitReached(ctx context.Context, h *Hub, s string, after, limit uint64) (bool, error) {
	if !h.p.Clustered || subject.IsPattern(s) {
		return false, nil
	}
	if n, err := h.store.Count(ctx, s); err != nil || n < limit {
		return false, err
	}
	first, err := h.store.Next(ctx, s, 1)
	return first > after, err
}

// errShort says that of a copy, which lacks what the leader has, it cannot be said what the
// limit has removed. Another one may be asked, or the same one when it has come further.
var errShort = errors.New("a copy of the stream lacks what its leader has")

// part makes messages of what was read.
func (h *Hub) part(b store.Batch) history {
	past := history{pending: b.Pending}
	stream := h.streamID()
	for i := range b.Messages {
		past.messages = append(past.messages, newMessage(&b.Messages[i], stream))
	}
	return past
}

// maxCounted bounds how many subjects counts know: a wildcard with more of
// them that has much to catch up with is reset.
const maxCounted = 50_000

// Counts are how many messages there are of each subject that a wildcard matches after a
// position, by reading each message once however many parts a history has. Its
// zero value is ready for use.
type counts struct {
	bySubject map[string]uint64
	until     uint64 // all up to here was counted
	began     uint64 // where the stream stood when a history began at a time, else 0
	full      bool   // a subject has reached the limit, or there are too many
}

// extend counts what was stored meanwhile. It reports whether every subject has
// fewer messages after the position than limit; of a history that began at a time only
// subjects count of which something was stored since then, for the others have lost nothing
// since: there may be any number of those.
func (c *counts) extend(ctx context.Context, h *Hub, pattern string, after, limit uint64) (bool, error) {
	if c.bySubject == nil {
		c.bySubject = make(map[string]uint64)
	}
	c.until = max(c.until, after, c.began)
	for !c.full {
		b, err := h.store.Read(ctx, pattern, c.until+1, store.MaxBatch, readBytes)
		if err != nil {
			return false, err
		}
		for i := range b.Messages {
			m := &b.Messages[i]
			n := c.bySubject[m.Subject] + 1
			if c.began > 0 && m.Subject != "" && (n == 1 || n >= limit) { // those from before are not counted, or some twice
				if n, err = h.following(ctx, m.Subject, after); err != nil {
					return false, err
				}
			}
			c.bySubject[m.Subject], c.until = n, m.Seq
			c.full = c.full || n >= limit || len(c.bySubject) > maxCounted
		}
		if b.Pending == 0 || len(b.Messages) == 0 {
			break
		}
	}
	return !c.full, nil
}

// following is how many messages of an exact subject are stored after a sequence.
func (h *Hub) following(ctx context.Context, subject string, after uint64) (uint64, error) {
	b, err := h.store.Read(ctx, subject, after+1, 1, readBytes)
	return uint64(len(b.Messages)) + b.Pending, err
}

// pass moves the position beyond messages that come next.
func (c *counts) pass(messages []*Message) {
	for _, m := range messages {
		if m.Seq > c.until {
			return
		}
		if n := c.bySubject[m.Subject]; n > 1 {
			c.bySubject[m.Subject] = n - 1
		} else {
			delete(c.bySubject, m.Subject)
		}
	}
}
