package kv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"weft/jetstream/api"
)

// restoreWait bounds putting entries back into a bucket.
const restoreWait = 20 * time.Second

// A Folder makes of a bucket's changes what is remembered of a key.
type Folder[T any] interface {
	// Fold is handed each change, once and in the order of sequences: with a history
	// of 1 the newest of each key, else all that the bucket retains. have is what is
	// remembered of the key so far, the zero T if nothing is. What it returns is
	// remembered, unless keep is false.
	Fold(have T, c *Change) (now T, keep bool)
	// Restore are the messages that put back what is remembered of a key when the
	// bucket has lost it. The first is put where the key has nothing; the others follow,
	// in their order, when the first ones of all keys are stored. One that is nil is
	// left out.
	Restore(key string, v T) []*nats.Msg
}

// A WatchConfig says what is watched.
type WatchConfig struct {
	Account *Account
	Bucket  js.KeyValueConfig
	Log     *slog.Logger
	// Prove is the time between two proofs that the Watch is fresh.
	Prove time.Duration
	// CutOff reports whether the node is cut off from the majority: the bucket's leader
	// may be, too, then, and proves nothing.
	CutOff func() bool
}

// A Watch is a bucket in memory. It follows the bucket with a consumer, and asks the
// bucket's leader again and again whether that has brought everything. Its methods may
// be called concurrently.
type Watch[T any] struct {
	cfg     WatchConfig
	folder  Folder[T]
	account *Account
	gone    chan struct{} // gets a token when the bucket is missed

	order sync.Mutex // held while changes are entered and told; before mu
	fns   []func(key string, v T, there bool)

	mu      sync.RWMutex
	loaded  bool
	entries map[string]remembered[T]
	// applied is the newest sequence of the bucket that was entered; made says of
	// which bucket.
	applied uint64
	made    time.Time
	proved  time.Time // when the Watch was last known to have everything
	again   func()    // has a bucket with a history read again
	// remaking is set while the bucket is gone, and until the one that takes its
	// place has what the Watch has.
	remaking bool
}

// remembered is what there is of a key.
type remembered[T any] struct {
	value   T
	seq     uint64 // of the newest change; MaxUint64: of an earlier bucket
	expires time.Time
}

// NewWatch makes a Watch that is empty and not loaded.
func NewWatch[T any](cfg WatchConfig, folder Folder[T]) *Watch[T] {
	return &Watch[T]{cfg: cfg, folder: folder, account: cfg.Account, gone: make(chan struct{}, 1), again: func() {},
		entries: make(map[string]remembered[T])}
}

// OnChange registers fn for every change of a key from now on, in their order; there
// is false when the key is gone. It must not block, and must not call OnChange.
func (w *Watch[T]) OnChange(fn func(key string, v T, there bool)) {
	w.order.Lock()
	defer w.order.Unlock()
	w.fns = append(w.fns, fn)
}

// Loaded reports whether all that the bucket had has been entered once.
func (w *Watch[T]) Loaded() bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.loaded
}

// Remaking reports whether the bucket is gone, or lacks what the Watch has.
func (w *Watch[T]) Remaking() bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.remaking
}

// Len is how many keys there are.
func (w *Watch[T]) Len() int {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return len(w.entries)
}

// Get returns what is remembered of a key.
func (w *Watch[T]) Get(key string) (v T, there bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	e, there := w.entries[key]
	return e.value, there
}

// All is all that is remembered, by key.
func (w *Watch[T]) All() map[string]T {
	w.mu.RLock()
	defer w.mu.RUnlock()
	all := make(map[string]T, len(w.entries))
	for k, e := range w.entries {
		all[k] = e.value
	}
	return all
}

// Run follows the bucket until ctx ends. It calls loaded whenever all that was there
// has been entered.
func (w *Watch[T]) Run(ctx context.Context, loaded func()) {
	var proving sync.WaitGroup
	defer proving.Wait()
	proving.Go(func() { w.keepProving(ctx) })
	told := false
	followed := func() { told = false; loaded() }
	for ctx.Err() == nil {
		if err := w.follow(ctx, followed); err != nil && ctx.Err() == nil && !told {
			told = true
			w.cfg.Log.Warn("a bucket is not being followed; trying again", "bucket", w.cfg.Bucket.Bucket, "err", err)
		}
		api.Sleep(ctx, api.StartPause)
	}
}

// follow reads the whole bucket and then its changes, until the consumer fails.
func (w *Watch[T]) follow(ctx context.Context, loaded func()) error {
	bucket := w.cfg.Bucket.Bucket
	try, cancel := context.WithTimeout(ctx, api.WriteTry)
	stream, err := w.account.JS.Stream(try, Stream(bucket))
	cancel()
	if err != nil {
		if errors.Is(err, js.ErrStreamNotFound) {
			w.miss()
		}
		return fmt.Errorf("follow %s: %w", bucket, err)
	}
	made := stream.CachedInfo().Created
	if lost := w.lost(made); len(lost) > 0 {
		if err := w.putBack(ctx, lost); err != nil {
			return fmt.Errorf("restore %s: %w", bucket, err)
		}
		w.cfg.Log.Warn("the bucket was made anew; its entries are there again", "bucket", bucket, "entries", len(lost))
	}
	if _, ok := w.folder.(Retainer[T]); ok {
		return w.followHistory(ctx, made, loaded)
	}
	w.begin(made)
	c, err := api.Consume(ctx, w.account.JS, Stream(bucket), js.ConsumerConfig{DeliverPolicy: js.DeliverLastPerSubjectPolicy})
	if err != nil {
		return fmt.Errorf("follow %s: %w", bucket, err)
	}
	defer c.Stop()
	seen := map[string]bool{} // nil once all that was there is loaded
	if c.Pending == 0 {
		w.complete(seen, 0)
		seen = nil
		loaded()
	}
	for {
		m, more, err := c.Next()
		if err != nil {
			return fmt.Errorf("follow %s: %w", bucket, err)
		}
		change := changeOf(bucket, m, w.cfg.Bucket.TTL)
		there := w.apply(&change, made)
		if seen == nil {
			continue
		}
		seen[change.Key] = there
		if more == 0 {
			w.complete(seen, m.Seq)
			seen = nil
			loaded()
		}
	}
}

// miss says that the bucket is gone.
func (w *Watch[T]) miss() {
	w.mu.Lock()
	w.remaking = w.remaking || w.loaded
	w.mu.Unlock()
	select {
	case w.gone <- struct{}{}:
	default:
	}
}

// Missed gets a token when the bucket is gone.
func (w *Watch[T]) Missed() <-chan struct{} { return w.gone }

// lost returns what puts back what the Watch has of an earlier bucket than the one made
// at the given time.
func (w *Watch[T]) lost(made time.Time) [][]*nats.Msg {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.loaded || made.Equal(w.made) {
		return nil
	}
	w.remaking = true
	return restoresOf(w.folder, w.entries)
}

func restoresOf[T any](folder Folder[T], entries map[string]remembered[T]) [][]*nats.Msg {
	var restores [][]*nats.Msg
	for key, e := range entries {
		if messages := folder.Restore(key, e.value); len(messages) > 0 {
			restores = append(restores, messages)
		}
	}
	return restores
}

// Restore puts all that the Watch remembers into the bucket. What was put since, or put
// back by another node, stays as it is.
func (w *Watch[T]) Restore(ctx context.Context) error {
	w.mu.RLock()
	restores := restoresOf(w.folder, w.entries)
	w.mu.RUnlock()
	return w.putBack(ctx, restores)
}

// putBack puts the first messages of all keys, then the second ones of those keys of
// which the first was stored, and so on.
func (w *Watch[T]) putBack(ctx context.Context, restores [][]*nats.Msg) error {
	ctx, cancel := context.WithTimeout(ctx, restoreWait)
	defer cancel()
	stored := map[*nats.Msg]uint64{}
	for i := 0; ; i++ {
		var batch []*nats.Msg
		more := false
		for _, messages := range restores {
			if len(messages) <= i {
				continue
			}
			more = true
			m, newest := messages[i], uint64(0)
			if i > 0 && messages[i-1] != nil {
				if newest = stored[messages[i-1]]; newest == 0 {
					continue // another node, or an operator, was quicker
				}
			}
			if m != nil {
				m.Header.Set(headerExpected, strconv.FormatUint(newest, 10))
				batch = append(batch, m)
			}
		}
		if !more {
			return nil
		}
		if err := w.account.putAll(ctx, batch, stored); err != nil {
			return err
		}
	}
}

// begin prepares for reading the bucket made at the given time. What is remembered of
// an earlier one was put into it: it stays until the bucket says that it is gone.
func (w *Watch[T]) begin(made time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if made.Equal(w.made) {
		return
	}
	w.made, w.applied = made, 0
	for key, e := range w.entries {
		e.seq = math.MaxUint64
		w.entries[key] = e
	}
}

// complete drops what went away while nobody followed, and opens the Watch for
// questions. The copy that was read has come up to newest: what is newer it does not
// know, and of that only what has expired is gone.
func (w *Watch[T]) complete(seen map[string]bool, newest uint64) {
	w.order.Lock()
	defer w.order.Unlock()
	w.mu.Lock()
	now := time.Now()
	dropped := map[string]T{}
	for key, e := range w.entries {
		if !seen[key] && (e.seq <= newest || !e.expires.IsZero() && e.expires.Before(now)) {
			dropped[key] = e.value
			delete(w.entries, key)
		}
	}
	w.loaded, w.remaking = true, false
	w.mu.Unlock()
	for key, v := range dropped {
		tell(w.fns, key, v, false)
	}
}

// apply enters one change of the bucket made at the given time, unless it has been
// before. It reports whether the key is there afterwards.
func (w *Watch[T]) apply(c *Change, made time.Time) bool {
	w.order.Lock()
	defer w.order.Unlock()
	w.mu.Lock()
	have, there := w.entries[c.Key]
	if c.Seq <= w.applied || !made.Equal(w.made) {
		w.mu.Unlock()
		return there
	}
	w.applied = c.Seq
	v, keep := w.folder.Fold(have.value, c)
	if keep {
		w.entries[c.Key] = remembered[T]{v, c.Seq, c.Expires}
	} else {
		delete(w.entries, c.Key)
	}
	w.mu.Unlock()
	tell(w.fns, c.Key, v, keep)
	return keep
}

func tell[T any](fns []func(key string, v T, there bool), key string, v T, there bool) {
	for _, fn := range fns {
		fn(key, v, there)
	}
}
