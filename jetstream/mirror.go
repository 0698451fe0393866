package jetstream

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	js "github.com/nats-io/nats.go/jetstream"
)

// openBlacklist makes the bucket if need be, or brings its age up to the
// configuration.
func (n *Node) openBlacklist(ctx context.Context) error {
	cfg := js.KeyValueConfig{Bucket: bucketBlacklist, Description: "revoked sessions and users", History: 1,
		TTL: n.cfg.MaxTokenLife, LimitMarkerTTL: markerTTL, Storage: js.FileStorage, Replicas: n.cfg.replicas(), MaxBytes: bucketBytes / 2}
	return n.ensureBucket(ctx, cfg)
}

// mirror keeps the entries as they are in the bucket until ctx ends. It calls
// ready whenever all that was there has been loaded.
func (b *Blacklist) mirror(ctx context.Context, store js.JetStream, ready func()) {
	told := false
	followed := func() { told = false; ready() }
	for ctx.Err() == nil {
		if err := b.follow(ctx, store, followed); err != nil && ctx.Err() == nil && !told {
			told = true
			b.log.Warn("blacklist is not being followed; trying again", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(startPause):
		}
	}
}

// follow reads the whole bucket and then its changes, until the consumer fails.
// The bucket's stream is read as such, because only there an entry shows its
// own time to live.
func (b *Blacklist) follow(ctx context.Context, store js.JetStream, ready func()) error {
	try, cancel := context.WithTimeout(ctx, publishTry)
	stream, err := store.Stream(try, streamBlacklist)
	cancel()
	if err != nil {
		return fmt.Errorf("follow blacklist: %w", err)
	}
	upTo := b.begin(stream.CachedInfo().Created)
	c, err := consume(ctx, store, streamBlacklist, js.ConsumerConfig{
		DeliverPolicy: js.DeliverLastPerSubjectPolicy})
	if err != nil {
		return fmt.Errorf("follow blacklist: %w", err)
	}
	defer c.Stop()
	seen := map[string]bool{} // nil once all that was there is loaded
	if c.Pending == 0 {
		b.complete(seen, upTo)
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
			b.complete(seen, max(upTo, s.Seq))
			seen = nil
			ready()
		}
	}
}

// begin prepares for reading the bucket made at the given time, and returns the
// sequence up to which its changes have been applied: none of a new bucket.
func (b *Blacklist) begin(made time.Time) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !made.Equal(b.bucketMade) {
		b.bucketMade, b.applied = made, 0
		for key, e := range b.entries {
			e.seq = 0
			b.entries[key] = e
		}
	}
	return b.applied
}

// complete drops what went away while nobody followed, and opens the mirror for
// questions. What came after the sequence up to which was read is new.
func (b *Blacklist) complete(seen map[string]bool, upTo uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, e := range b.entries {
		if !seen[keyPrefix+key] && e.seq <= upTo {
			delete(b.entries, key)
		}
	}
	b.loaded = true
	b.count(len(b.entries))
}

// apply enters one change of the bucket, unless it has been before. It reports
// whether an entry is there afterwards.
func (b *Blacklist) apply(s *Stored) bool {
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

// kvAck reads the answer to a write into a bucket.
func kvAck(data []byte) error {
	var resp struct {
		Error *apiError `json:"error"`
		Seq   uint64    `json:"seq"`
	}
	if err := json.Unmarshal(data, &resp); err != nil {
		return fmt.Errorf("%w: bad acknowledgement: %w", ErrUnavailable, err)
	}
	if resp.Error != nil {
		return refusal(resp.Error)
	}
	return nil
}
