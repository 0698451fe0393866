package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	js "github.com/nats-io/nats.go/jetstream"
)

// openBlacklist makes the bucket if need be, or brings its age up to the
// configuration.
func (n *Node) openBlacklist(ctx context.Context) error {
	cfg := js.KeyValueConfig{Bucket: bucketBlacklist, Description: "revoked sessions and users", History: 1,
		TTL: n.cfg.MaxTokenLife, LimitMarkerTTL: markerTTL, Storage: js.FileStorage, Replicas: 1, MaxBytes: bucketBytes / 2}
	return retry(ctx, func(ctx context.Context) error {
		kv, err := n.js.CreateOrUpdateKeyValue(ctx, cfg)
		if err != nil {
			return fmt.Errorf("open bucket %s: %w", bucketBlacklist, err)
		}
		n.blacklist.kv = kv
		return nil
	})
}

// mirror keeps the entries as they are in the bucket until ctx ends. It tells
// ready once all that was there has been loaded.
func (b *Blacklist) mirror(ctx context.Context, ready func()) {
	for ctx.Err() == nil {
		if err := b.follow(ctx, ready); err != nil && ctx.Err() == nil {
			b.log.Warn("blacklist is not being followed; trying again", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(startPause):
		}
	}
}

// follow reads the whole bucket and then its changes, until the watch ends.
func (b *Blacklist) follow(ctx context.Context, ready func()) error {
	w, err := b.kv.WatchAll(ctx)
	if err != nil {
		return fmt.Errorf("watch blacklist: %w", err)
	}
	defer w.Stop()
	seen := map[string]bool{} // nil once the initial values are in
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return errors.New("watch blacklist: ended")
			case e == nil:
				b.initial(seen)
				seen = nil
				ready()
			default:
				if seen != nil {
					seen[e.Key()] = e.Operation() == js.KeyValuePut
				}
				b.apply(e)
			}
		}
	}
}

// initial drops what went away while nobody watched.
func (b *Blacklist) initial(seen map[string]bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key := range b.entries {
		if !seen[key] {
			delete(b.entries, key)
		}
	}
	b.loaded = true
	b.gone(len(b.entries))
}

func (b *Blacklist) apply(kv js.KeyValueEntry) {
	b.mu.Lock()
	if kv.Operation() != js.KeyValuePut {
		delete(b.entries, kv.Key())
		b.gone(len(b.entries))
		b.mu.Unlock()
		return
	}
	e := newEntry(kv.Key(), string(kv.Value()), kv.Created(), b.life)
	b.entries[e.Key] = e
	b.gone(len(b.entries))
	fns := b.fns
	b.mu.Unlock()
	if e.Problem != "" {
		b.log.Warn("blacklist entry can never match", "key", e.Key, "problem", e.Problem)
	}
	for _, fn := range fns {
		fn(e)
	}
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
