package kv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"weft/jetstream/api"
)

// A Merger decides what becomes of the entries of one bucket in one import.
type Merger interface {
	// Merge adds what has to be written to the plan, or counts why nothing has.
	Merge(p *Plan, e *Entry)
	// Await returns when the bucket's Watch has what was written, so that the next
	// import can compare with it.
	Await(ctx context.Context) error
}

// A Plan is what one import will write.
type Plan struct {
	Now      time.Time
	Messages map[string]*nats.Msg // by subject
	Done     Imported

	buckets map[string]js.KeyValue // those that were asked for what is there
}

// bucket opens a bucket, once.
func (p *Plan) bucket(ctx context.Context, store js.JetStream, name string) (b js.KeyValue, err error) {
	if b = p.buckets[name]; b == nil {
		if b, err = store.KeyValue(ctx, name); err != nil {
			return nil, fmt.Errorf("%w: %w", api.ErrUnavailable, err)
		}
		p.buckets[name] = b
	}
	return b, nil
}

// Put adds a message. Of two for one key, one is stored: the later.
func (p *Plan) Put(m *nats.Msg) {
	if p.Messages[m.Subject] == nil {
		p.Done.Stored++
	} else {
		p.Done.Unchanged++
	}
	p.Messages[m.Subject] = m
}

// Guards say why entries cannot be carried at this moment.
type Guards struct {
	Opened   func() error
	DiskFull func() bool
}

// A Transfer carries entries from one Weft to another. Its methods may be called
// concurrently.
type Transfer struct {
	account *Account
	guards  Guards
	mergers map[string]func() (Merger, error)
}

// NewTransfer makes a Transfer between the buckets of operators and another Weft. An
// entry of a bucket with a merger, which is made for each import, is merged with what
// is there; one of another bucket replaces what is there.
func NewTransfer(account *Account, guards Guards, mergers map[string]func() (Merger, error)) *Transfer {
	return &Transfer{account, guards, mergers}
}

// put carries entries that have been checked.
func (t *Transfer) put(ctx context.Context, entries []Entry, mergers map[string]Merger) (Imported, error) {
	ctx, cancel := context.WithTimeout(ctx, importWait)
	defer cancel()
	plan := Plan{Now: time.Now(), Messages: map[string]*nats.Msg{}, buckets: map[string]js.KeyValue{}}
	for i := range entries {
		if m := mergers[entries[i].Bucket]; m != nil {
			m.Merge(&plan, &entries[i])
		} else if err := t.replace(ctx, &plan, &entries[i]); err != nil {
			return Imported{}, err
		}
	}
	if err := t.account.putAll(ctx, slices.Collect(maps.Values(plan.Messages)), nil); err != nil {
		return Imported{}, err
	}
	for _, m := range mergers {
		if err := m.Await(ctx); err != nil {
			return plan.Done, err
		}
	}
	return plan.Done, nil
}

// newMergers makes the mergers for one import.
func (t *Transfer) newMergers() (map[string]Merger, error) {
	made := make(map[string]Merger, len(t.mergers))
	for bucket, merger := range t.mergers {
		m, err := merger()
		if err != nil {
			return nil, err
		}
		made[bucket] = m
	}
	return made, nil
}

// replace decides whether an entry has to be written.
func (t *Transfer) replace(ctx context.Context, p *Plan, e *Entry) error {
	bucket, err := p.bucket(ctx, t.account.JS, e.Bucket)
	if err != nil {
		return err
	}
	m := &nats.Msg{Subject: Subject(e.Bucket, e.Key), Data: e.Value}
	have, err := bucket.Get(ctx, e.Key)
	switch {
	case err == nil && bytes.Equal(have.Value(), e.Value) && p.Messages[m.Subject] == nil:
		p.Done.Unchanged++
		return nil
	case err != nil && !errors.Is(err, js.ErrKeyNotFound):
		return fmt.Errorf("%w: read bucket %s: %w", api.ErrUnavailable, e.Bucket, err)
	}
	p.Put(m)
	return nil
}
