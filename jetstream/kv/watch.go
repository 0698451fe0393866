package jetstream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	js "github.com/nats-io/nats.go/jetstream"

	"weft/jetstream/api"
	"weft/jetstream/event"
)

// A restore writes entries into a bucket that was made anew, but over none that is
// there already.
type restore func(context.Context, []BlacklistEntry) error

// mirror keeps the entries as they are in the bucket until ctx ends. It calls
// ready whenever all that was there has been loaded.
func (b *Blacklist) mirror(ctx context.Context, store js.JetStream, restore restore, ready func()) {
	told := false
	followed := func() { told = false; ready() }
	for ctx.Err() == nil {
		if err := b.follow(ctx, store, restore, followed); err != nil && ctx.Err() == nil && !told {
			told = true
			b.log.Warn("blacklist is not being followed; trying again", "err", err)
		}
		api.Sleep(ctx, api.StartPause)
	}
}

// follow reads the whole bucket and then its changes, until the consumer fails.
// The bucket's stream is read as such, because only there an entry shows its
// own time to live.
func (b *Blacklist) follow(ctx context.Context, store js.JetStream, restore restore, ready func()) error {
	try, cancel := context.WithTimeout(ctx, api.WriteTry)
	stream, err := store.Stream(try, streamBlacklist)
	cancel()
	if err != nil {
		if errors.Is(err, js.ErrStreamNotFound) {
			b.miss()
		}
		return fmt.Errorf("follow blacklist: %w", err)
	}
	if lost := b.lost(stream.CachedInfo().Created); len(lost) > 0 {
		if err := restore(ctx, lost); err != nil {
			return fmt.Errorf("restore blacklist: %w", err)
		}
		b.log.Warn("the bucket was made anew; its entries are there again", "bucket", bucketBlacklist, "entries", len(lost))
	}
	b.begin(stream.CachedInfo().Created)
	c, err := consume(ctx, store, streamBlacklist, js.ConsumerConfig{
		DeliverPolicy: js.DeliverLastPerSubjectPolicy})
	if err != nil {
		return fmt.Errorf("follow blacklist: %w", err)
	}
	defer c.Stop()
	seen := map[string]bool{} // nil once all that was there is loaded
	if c.Pending == 0 {
		b.complete(seen, 0)
		seen = nil
		ready()
	}
	for {
		s, more, err := c.Next()
		if err != nil {
			return fmt.Errorf("follow blacklist: %w", err)
		}
		put := b.apply(&s)
		if seen == nil {
			continue
		}
		seen[s.Subject] = put
		if more == 0 {
			b.complete(seen, s.Seq)
			seen = nil
			ready()
		}
	}
}

// miss says that the bucket is gone.
func (b *Blacklist) miss() {
	b.mu.Lock()
	b.remaking = b.remaking || b.loaded
	b.mu.Unlock()
	select {
	case b.gone <- struct{}{}:
	default:
	}
}

// lost returns what the mirror has of an earlier bucket than the one made at the
// given time.
func (b *Blacklist) lost(made time.Time) []BlacklistEntry {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.loaded || made.Equal(b.bucketMade) {
		return nil
	}
	b.remaking = true
	return slices.Collect(maps.Values(b.entries))
}

// all returns every entry.
func (b *Blacklist) all() []BlacklistEntry {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return slices.Collect(maps.Values(b.entries))
}

// Len is how many entries there are.
func (b *Blacklist) Len() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.entries)
}

// Remaking reports whether the bucket is gone, or lacks what the mirror has.
func (b *Blacklist) Remaking() bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.remaking
}

// begin prepares for reading the bucket made at the given time. What is remembered of
// an earlier one was put into it: it stays until the bucket says that it is gone.
func (b *Blacklist) begin(made time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if made.Equal(b.bucketMade) {
		return
	}
	b.bucketMade, b.applied = made, 0
	for key, e := range b.entries {
		e.seq = math.MaxUint64
		b.entries[key] = e
	}
}

// complete drops what went away while nobody followed, and opens the mirror for
// questions. The copy that was read has come up to newest: what is newer it does not
// know, and of that only what has expired is gone.
func (b *Blacklist) complete(seen map[string]bool, newest uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	for key, e := range b.entries {
		if !seen[keyPrefix+key] && (e.seq <= newest || e.Expires.Before(now)) {
			delete(b.entries, key)
		}
	}
	b.loaded, b.remaking = true, false
	b.count(len(b.entries))
}

// apply enters one change of the bucket, unless it has been before. It reports
// whether an entry is there afterwards.
func (b *Blacklist) apply(s *event.Stored) bool {
	key := strings.TrimPrefix(s.Subject, keyPrefix)
	b.mu.Lock()
	if s.Seq <= b.applied {
		_, there := b.entries[key]
		b.mu.Unlock()
		return there
	}
	b.applied = s.Seq
	if deleted(s) {
		delete(b.entries, key)
		b.count(len(b.entries))
		b.mu.Unlock()
		return false
	}
	e := newEntry(key, string(s.Data), madeAt(s), s.Time().Add(lifeOf(s, b.life)))
	e.seq = s.Seq
	b.entries[key] = e
	b.count(len(b.entries))
	fns := b.fns
	b.mu.Unlock()
	if e.Problem != "" {
		b.log.Warn("blacklist entry can never match", "key", e.Key, "problem", e.Problem)
	}
	for _, fn := range fns {
		fn(e)
	}
	return true
}
