package store

import "context"

// After returns what is stored of an exact subject after a sequence, as Read does, from this
// node's own copy of the stream, without asking anybody. It is ok only when that copy has
// come to the sequence until, and when nothing that came after is missing, whatever
// retention has removed of other subjects; else Read must be asked. Of a long history
// Pending is not the number of what follows, but 1.
func (r *Reader) After(ctx context.Context, subject string, after, until uint64, limit, maxBytes int) (Batch, bool) {
	if r.params.Replica == nil {
		return Batch{}, false
	}
	found, more, ok := r.params.Replica.After(ctx, subject, after, until, min(max(limit, 1), MaxBatch), max(maxBytes, 1), uint64(r.params.Limits.MaxPerSubject))
	if !ok {
		return Batch{}, false
	}
	b := Batch{Messages: found}
	if more {
		b.Pending = 1
	}
	return b, true
}
