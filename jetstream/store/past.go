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
// Any replica is asked first (ADR-31 of NATS: a direct get with a start time), and what one
// that lags has stored is true of all. When it has nothing from then on the leader is asked:
// if that has nothing either, all is older that was there before it was asked.
func (r *Reader) Before(ctx context.Context, t time.Time) (uint64, error) {
	t = t.UTC()
	q := api.Query{NextFor: ">", Start: &t}
	seq, err := r.headHere(ctx, q)
	if err != nil || seq > 0 {
		return beforeFirst(seq), err
	}
	head, err := r.Head(ctx, ">")
	if err != nil {
		return 0, err
	}
	if seq, err = r.askLeader(ctx, q); err != nil || seq > 0 {
		return beforeFirst(seq), err
	}
	return head, nil
}

func beforeFirst(seq uint64) uint64 { return max(seq, 1) - 1 }
