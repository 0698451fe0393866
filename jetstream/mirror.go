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
	for ctx.Err() == nil {
		if err := b.follow(ctx, store, ready); err != nil && ctx.Err() == nil {
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
	c, err := consume(ctx, store, "KV_"+bucketBlacklist, js.OrderedConsumerConfig{
		DeliverPolicy: js.DeliverLastPerSubjectPolicy})
	if err != nil {
		return fmt.Errorf("follow blacklist: %w", err)
	}
	defer c.Stop()
	seen := map[string]bool{} // nil once all that was there is loaded
	if c.Pending == 0 {
		b.complete(seen)
		seen = nil
		ready()
	}
	for {
		s, more, err := c.Next()
		if err != nil {
			return fmt.Errorf("follow blacklist: %w", err)
		}
		key := strings.TrimPrefix(s.Subject, keyPrefix)
		put := b.apply(key, &s)
		if seen == nil {
			continue
		}
		seen[key] = put
		if more == 0 {
			b.complete(seen)
			seen = nil
			ready()
		}
	}
}

// complete drops what went away while nobody followed, and opens the mirror for
// questions.
func (b *Blacklist) complete(seen map[string]bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key := range b.entries {
		if !seen[key] {
			delete(b.entries, key)
		}
	}
	b.loaded = true
	b.count(len(b.entries))
}

// apply enters one change of the bucket. It reports whether an entry is there
// afterwards.
func (b *Blacklist) apply(key string, s *Stored) bool {
	b.mu.Lock()
	if deleted(s) {
		delete(b.entries, key)
		b.count(len(b.entries))
		b.mu.Unlock()
		return false
	}
	e := newEntry(key, string(s.Data), madeAt(s), s.Time().Add(lifeOf(s, b.life)))
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
