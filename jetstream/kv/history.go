package kv

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"weft/jetstream/api"
)

// purgedAfter is how long a message is waited for that is said to be there: it may have been
// purged since.
const purgedAfter = time.Second

// errCutOff ends a reading that nobody can confirm.
var errCutOff = errors.New("nobody confirms that this is all")

// A Retainer is a Folder of a bucket with a history: it remembers every message that
// the bucket retains, and nothing else.
type Retainer[T any] interface {
	Folder[T]
	// Retained is how many messages of the bucket are remembered by v.
	Retained(v T) int
}

// A reading is a bucket with a history that is read from its beginning, beside what is
// remembered: messages may have gone without a trace, and nothing is given up before all
// that there is has been read.
type reading[T any] struct {
	w      *Watch[T]
	fresh  map[string]remembered[T]
	newest uint64 // that was read
}

// followHistory reads the whole bucket made at the given time and then its changes,
// until the consumer fails or the Watch is to be read again.
func (w *Watch[T]) followHistory(ctx context.Context, made time.Time, loaded func()) error {
	ctx, again := context.WithCancel(ctx)
	defer again()
	bucket := w.cfg.Bucket.Bucket
	c, err := api.Consume(ctx, w.account.JS, Stream(bucket), js.ConsumerConfig{DeliverPolicy: js.DeliverAllPolicy})
	if err != nil {
		return fmt.Errorf("follow %s: %w", bucket, err)
	}
	defer c.Stop()
	r := reading[T]{w, make(map[string]remembered[T]), 0}
	for left := c.Pending; left > 0; {
		m, more, err := c.Next(js.NextMaxWait(purgedAfter))
		if errors.Is(err, nats.ErrTimeout) {
			break // complete knows what there is
		} else if err != nil {
			return fmt.Errorf("read %s: %w", bucket, err)
		}
		change := changeOf(bucket, m, w.cfg.Bucket.TTL)
		r.fold(&change)
		left = more
	}
	for done := false; !done; {
		of, applied := w.position()
		if !of.Equal(made) {
			applied = 0
		}
		if err := r.complete(ctx); err != nil {
			return fmt.Errorf("read %s: %w", bucket, err)
		}
		done = r.replace(made, max(applied, r.newest))
	}
	w.mu.Lock()
	w.again = again
	w.mu.Unlock()
	loaded()
	for {
		m, _, err := c.Next()
		if ctx.Err() != nil {
			return nil
		} else if err != nil {
			return fmt.Errorf("follow %s: %w", bucket, err)
		}
		change := changeOf(bucket, m, w.cfg.Bucket.TTL)
		w.apply(&change, made)
	}
}

func (r *reading[T]) fold(c *Change) {
	if c.Seq <= r.newest {
		return
	}
	r.newest = c.Seq
	if v, keep := r.w.folder.Fold(r.fresh[c.Key].value, c); keep {
		r.fresh[c.Key] = remembered[T]{v, c.Seq, c.Expires}
	} else {
		delete(r.fresh, c.Key)
	}
}

// complete asks the leader for what the copy that was read does not have: what is not
// there is forgotten, so all that is there must be known.
func (r *reading[T]) complete(ctx context.Context) error {
	for {
		c, err := r.w.nextChange(ctx, r.newest+1)
		switch {
		case err != nil:
			return err
		case r.w.cfg.CutOff():
			return errCutOff
		case c == nil:
			return nil
		}
		r.fold(c)
	}
}

// replace lets the Watch have what was read: all that there is up to a sequence, of which
// the newest may have been purged. It reports whether that is not older than what the Watch
// has got otherwise.
func (r *reading[T]) replace(made time.Time, upTo uint64) bool {
	w := r.w
	w.order.Lock()
	defer w.order.Unlock()
	w.mu.Lock()
	old, same := w.entries, made.Equal(w.made)
	if same && w.applied > upTo {
		w.mu.Unlock()
		return false
	}
	retained := w.folder.(Retainer[T])
	changed := map[string]remembered[T]{}
	for key, now := range r.fresh {
		if was, ok := old[key]; ok && same && was.seq == now.seq && retained.Retained(was.value) == retained.Retained(now.value) {
			r.fresh[key] = was // the same: it may have been made something of already
		} else {
			changed[key] = now
		}
	}
	w.entries, w.made, w.applied = r.fresh, made, upTo
	w.loaded, w.remaking, w.proved = true, false, time.Now()
	w.mu.Unlock()
	for key, now := range changed {
		tell(w.fns, key, now.value, true)
	}
	for key, was := range old {
		if _, there := r.fresh[key]; !there {
			tell(w.fns, key, was.value, false)
		}
	}
	return true
}

// Lacks reports whether a bucket that has so many messages, the newest with the given
// sequence, has lost what must be put back. From one with a history operators may purge:
// it is read again instead.
func (w *Watch[T]) Lacks(messages, newest uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	retained, ok := w.folder.(Retainer[T])
	if !ok {
		return messages < uint64(len(w.entries))
	}
	count := 0
	for _, e := range w.entries {
		count += retained.Retained(e.value)
	}
	if w.loaded && !w.remaking && newest == w.applied && messages != uint64(count) {
		w.again()
		w.again = func() {} // once, until it has been read
	}
	return false
}
