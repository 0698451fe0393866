package jetstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"weft/jetstream/api"
)

// routesHistory is how many versions of a route are kept.
const routesHistory = 20

// An importPlan is what an Import will write, by subject.
type importPlan struct {
	now      time.Time
	messages map[string]*nats.Msg
	cuts     map[string]BlacklistEntry // of the blacklist, by key
	routes   js.KeyValue               // nil until there is a route
	done     Imported
}

// plan decides what becomes of an entry. Nothing that is cut may come back, so
// of two entries the later time and the longer life count.
func (b *Blacklist) plan(p *importPlan, e *Entry) {
	made := e.Made
	if made.IsZero() || made.After(p.now) {
		made = p.now
	}
	entry := newEntry(e.Key, string(e.Value), made, e.Expires)
	if most := p.now.Add(b.life); e.Expires.IsZero() || e.Expires.After(most) {
		entry.Expires = most
	}
	left := entry.Expires.Sub(p.now)
	if left <= 0 {
		p.done.Expired++
		return
	}
	have, ok := p.cuts[e.Key]
	if !ok {
		have, ok = b.entry(e.Key)
	}
	if ok {
		later, longer := entry.Before.After(have.Before), left-have.Expires.Sub(p.now) > time.Second
		switch {
		case !later && !longer:
			p.done.Unchanged++
			return
		case !later: // it only lives longer
			have.Expires = entry.Expires
			entry = have
		case !longer:
			entry.Expires = have.Expires
		}
	}
	m := b.messageOf(&entry, p.now)
	if p.messages[m.Subject] == nil {
		p.done.Stored++
	} else {
		p.done.Unchanged++ // of the two that are given, one is stored
	}
	p.messages[m.Subject], p.cuts[e.Key] = m, entry
}

// messageOf is what puts an entry into the bucket that was made before now, nil when
// its life is over.
func (b *Blacklist) messageOf(e *BlacklistEntry, now time.Time) *nats.Msg {
	left := e.Expires.Sub(now)
	if left <= 0 {
		return nil
	}
	m := &nats.Msg{Subject: keyPrefix + e.Key, Data: []byte(e.Value), Header: nats.Header{}}
	m.Header.Set(headerMade, e.Made.UTC().Format(time.RFC3339Nano))
	if left < b.life {
		m.Header.Set(headerTTL, ttlHeader(left))
	}
	return m
}

// entry returns the entry of an escaped key.
func (b *Blacklist) entry(key string) (BlacklistEntry, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	e, ok := b.entries[key]
	return e, ok
}

// await returns when the mirror has the entries, so that the next Import can
// compare with them.
func (b *Blacklist) await(ctx context.Context, cuts map[string]BlacklistEntry) error {
	for key, want := range cuts {
		for {
			if have, ok := b.entry(key); ok && !have.Before.Before(want.Before) && want.Expires.Sub(have.Expires) <= time.Second {
				break
			}
			if !api.Sleep(ctx, api.StartPause/20) {
				return fmt.Errorf("%w: the blacklist is behind", api.ErrUnavailable)
			}
		}
	}
	return nil
}

// planRoute decides whether a route has to be written.
func (n *Node) planRoute(ctx context.Context, p *importPlan, e *Entry) error {
	if p.routes == nil {
		var err error
		if p.routes, err = n.control.js.KeyValue(ctx, bucketRoutes); err != nil {
			return fmt.Errorf("%w: %w", api.ErrUnavailable, err)
		}
	}
	m := &nats.Msg{Subject: "$KV." + e.Bucket + "." + e.Key, Data: e.Value}
	have, err := p.routes.Get(ctx, e.Key)
	switch {
	case err == nil && bytes.Equal(have.Value(), e.Value) && p.messages[m.Subject] == nil:
		p.done.Unchanged++
		return nil
	case err != nil && !errors.Is(err, js.ErrKeyNotFound):
		return fmt.Errorf("%w: read bucket %s: %w", api.ErrUnavailable, e.Bucket, err)
	case p.messages[m.Subject] != nil:
		p.done.Unchanged++
	default:
		p.done.Stored++
	}
	p.messages[m.Subject] = m
	return nil
}
