package kv

import (
	"context"
	"fmt"
	"time"

	"weft/jetstream/api"
)

// keepProving asks the bucket's leader again and again, until ctx ends, whether
// there is anything that the Watch does not have, and enters it. The consumer is
// quicker, but it lives on one node, and for some seconds nobody notices that it has
// gone with it.
func (w *Watch[T]) keepProving(ctx context.Context) {
	t := time.NewTicker(w.cfg.Prove)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if w.Loaded() {
			w.CatchUp(ctx)
		}
	}
}

// CatchUp brings the Watch up to date, if the bucket's leader answers. One that is cut off proves nothing: it does
// not know what the others have agreed on.
func (w *Watch[T]) CatchUp(ctx context.Context) {
	if _, ok := w.folder.(Retainer[T]); ok && (!w.Loaded() || w.Remaking()) {
		return // what comes would be folded onto another bucket's
	}
	for {
		asked := time.Now()
		made, applied := w.position()
		c, err := w.nextChange(ctx, applied+1)
		if err != nil || w.cfg.CutOff() {
			return
		}
		if now, _ := w.position(); !now.Equal(made) {
			return // it was made anew meanwhile
		}
		if c == nil {
			w.mu.Lock()
			if !w.remaking {
				w.proved = asked
			}
			w.mu.Unlock()
			return
		}
		w.apply(c, made)
	}
}

func (w *Watch[T]) position() (made time.Time, applied uint64) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.made, w.applied
}

// Staleness is the age of the last proof that the Watch has everything that the
// bucket has: little more than the time between two proofs while the bucket's leader
// can be reached, and growing while it cannot. ok is false before the first one.
func (w *Watch[T]) Staleness() (age time.Duration, ok bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.proved.IsZero() {
		return 0, false
	}
	return time.Since(w.proved), true
}

// AwaitFresh returns when the bucket's leader has confirmed once that the Watch has
// everything: the copy that it was loaded from may lag.
func (w *Watch[T]) AwaitFresh(ctx context.Context) error {
	for {
		w.CatchUp(ctx)
		if _, ok := w.Staleness(); ok {
			return nil
		}
		if !api.Sleep(ctx, api.StartPause) {
			return fmt.Errorf("load %s: %w", w.cfg.Bucket.Bucket, context.Cause(ctx))
		}
	}
}

// nextChange asks the bucket's leader for the first change from a sequence on;
// nil means that there is none.
func (w *Watch[T]) nextChange(ctx context.Context, from uint64) (*Change, error) {
	bucket := w.cfg.Bucket.Bucket
	try, cancel := context.WithTimeout(ctx, api.StartTry)
	defer cancel()
	found, err := api.AskLeader(try, w.account.Conn, Stream(bucket), api.Query{NextFor: Subject(bucket, ">"), Seq: from})
	if err != nil {
		if api.IsCode(err, api.CodeNoStream) {
			w.miss()
		}
		return nil, fmt.Errorf("%w: ask for %s: %w", api.ErrUnavailable, bucket, err)
	}
	if found == nil {
		return nil, nil
	}
	m, err := found.Message()
	if err != nil {
		return nil, err
	}
	c := changeOf(bucket, m, w.cfg.Bucket.TTL)
	return &c, nil
}
