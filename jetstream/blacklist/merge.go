package blacklist

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"weft/jetstream/api"
	"weft/jetstream/kv"
)

// A merge is the blacklist's part of one import.
type merge struct {
	*Blacklist
	cuts map[string]Entry // what will be written, by key
}

// NewMerger makes the merger of one import.
func (b *Blacklist) NewMerger() (kv.Merger, error) {
	if !b.Loaded() {
		return nil, notLoaded()
	}
	return &merge{b, map[string]Entry{}}, nil
}

// Merge decides what becomes of an entry. Nothing that is cut may come back, so
// of two entries the later time and the longer life count.
func (b *merge) Merge(p *kv.Plan, e *kv.Entry) {
	made := e.Made
	if made.IsZero() || made.After(p.Now) {
		made = p.Now
	}
	entry := newEntry(e.Key, string(e.Value), made, e.Expires)
	if most := p.Now.Add(b.life); e.Expires.IsZero() || e.Expires.After(most) {
		entry.Expires = most
	}
	left := entry.Expires.Sub(p.Now)
	if left <= 0 {
		p.Done.Expired++
		return
	}
	have, ok := b.cuts[e.Key]
	if !ok {
		have, ok = b.Get(e.Key)
	}
	if ok {
		later, longer := entry.Before.After(have.Before), left-have.Expires.Sub(p.Now) > time.Second
		switch {
		case !later && !longer:
			p.Done.Unchanged++
			return
		case !later: // it only lives longer
			have.Expires = entry.Expires
			entry = have
		case have.Expires.After(entry.Expires):
			entry.Expires = have.Expires
		}
	}
	p.Put(b.messageOf(&entry, p.Now))
	b.cuts[e.Key] = entry
}

// messageOf is what puts an entry into the bucket that was made before now, nil when
// its life is over.
func (b *Blacklist) messageOf(e *Entry, now time.Time) *nats.Msg {
	left := e.Expires.Sub(now)
	if left <= 0 {
		return nil
	}
	if left >= b.life {
		left = 0 // the bucket's own
	}
	m := kv.Message(kv.Blacklist, e.Key, []byte(e.Value), left)
	kv.SetMade(m, e.Made)
	return m
}

// Await returns when the Watch has the entries.
func (b *merge) Await(ctx context.Context) error {
	for key, want := range b.cuts {
		for {
			have, ok := b.Get(key)
			if ok && !have.Before.Before(want.Before) && want.Expires.Sub(have.Expires) <= time.Second {
				break
			}
			if !api.Sleep(ctx, api.StartPause/20) {
				return fmt.Errorf("%w: the blacklist is behind", api.ErrUnavailable)
			}
		}
	}
	return nil
}
