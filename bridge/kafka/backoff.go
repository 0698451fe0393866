package kafka

import (
	"context"
	"time"

	"weft/jetstream/ratelog"
)

// A backoff is the pauses between tries of something: the first, doubled each time up
// to the most.
type backoff struct{ first, most, next time.Duration }

func newBackoff(first, most time.Duration) *backoff {
	return &backoff{first: first, most: most, next: first}
}

// reset begins anew with the first pause.
func (b *backoff) reset() { b.next = b.first }

// wait pauses, for at least some time; false: ctx has ended.
func (b *backoff) wait(ctx context.Context, least time.Duration) bool {
	d := max(b.next, least)
	b.next = min(2*b.next, b.most)
	return pause(ctx, d)
}

// untilAnswered asks the store until it answers, and says now and then what cannot be done.
// Its error is ctx's.
func untilAnswered[T any](ctx context.Context, limited *ratelog.Log, what string, ask func() (T, error)) (T, error) {
	for {
		answer, err := ask()
		if err == nil {
			return answer, nil
		}
		if ctx.Err() == nil {
			limited.Warn(what, "cannot "+what+"; trying on", "err", err)
		}
		if !pause(ctx, storePause) {
			return answer, ctx.Err()
		}
	}
}

// pause waits; false: ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
