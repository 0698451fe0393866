package store

import (
	"context"
	"time"

	"weft/jetstream/api"
)

// Before returns the sequence up to which all was stored before a time, by the clocks of
// those who led the stream; what follows was stored then or later. It fails with
// ErrUnavailable: try again.
//
// In a cluster the leader is asked: the copy of a node whose clock is ahead has let go what
// others still have, so that what it has first is too late. When the leader has nothing from
// then on it is asked once more: if that has nothing either, all is older that was there
// before.
func (r *Reader) Before(ctx context.Context, t time.Time) (uint64, error) {
	t = t.UTC()
	q := api.Query{NextFor: ">", Start: &t}
	find := r.askLeader
	if !r.params.clustered() { // a direct get (ADR-31 of NATS), at half the cost
		find = r.headHere
	}
	seq, err := find(ctx, q)
	if err != nil || seq > 0 {
		return beforeFirst(seq), err
	}
	head, err := r.Head(ctx, ">")
	if err != nil {
		return 0, err
	}
	if seq, err = find(ctx, q); err != nil || seq > 0 {
		return beforeFirst(seq), err
	}
	return head, nil
}

func beforeFirst(seq uint64) uint64 { return max(seq, 1) - 1 }
