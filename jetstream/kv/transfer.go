package kv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
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

// Rules are what is particular about the entries of one bucket. Each may be nil.
type Rules struct {
	// Merger makes the merger of one import. Without one an entry replaces what is there.
	Merger func() (Merger, error)
	// Check makes what says, of one import and in the order of its entries, why an entry
	// cannot be taken; "" if it can.
	Check func() func(*Entry) string
	// Export makes what changes an entry of one export to what is to be carried; false
	// leaves it out.
	Export func(ctx context.Context) func(*Entry) bool
	// Await returns when what was stored up to a sequence of the bucket can be told, and
	// exported.
	Await func(ctx context.Context, newest uint64) error
}

// A Plan is what one import will write.
type Plan struct {
	Now      time.Time
	Messages map[string]*nats.Msg // by subject
	Done     Imported

	order   []string               // of messages, by subject
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
		p.order = append(p.order, m.Subject)
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
	rules   map[string]Rules
}

// NewTransfer makes a Transfer between the buckets of operators and another Weft, with
// the rules of each bucket that has any.
func NewTransfer(account *Account, guards Guards, rules map[string]Rules) *Transfer {
	return &Transfer{account, guards, rules}
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
	messages := make([]*nats.Msg, len(plan.order)) // in their order: a route may wait for what another one gives up
	for i, subject := range plan.order {
		messages[i] = plan.Messages[subject]
	}
	stored := make(map[*nats.Msg]uint64, len(messages))
	if err := t.account.putAll(ctx, messages, stored); err != nil {
		return Imported{}, err
	}
	for bucket, rules := range t.rules {
		if rules.Await == nil {
			continue
		}
		newest := uint64(0)
		for m, seq := range stored {
			if strings.HasPrefix(m.Subject, Subject(bucket, "")) {
				newest = max(newest, seq)
			}
		}
		if err := rules.Await(ctx, newest); err != nil {
			return plan.Done, err
		}
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
	made := make(map[string]Merger, len(t.rules))
	for bucket, rules := range t.rules {
		if rules.Merger == nil {
			continue
		}
		m, err := rules.Merger()
		if err != nil {
			return nil, err
		}
		made[bucket] = m
	}
	return made, nil
}

// check says which entry cannot be taken, nil if all can.
func (t *Transfer) check(entries []Entry) *EntryError {
	checks := map[string]func(*Entry) string{}
	for bucket, rules := range t.rules {
		if rules.Check != nil {
			checks[bucket] = rules.Check()
		}
	}
	for i := range entries {
		e := &entries[i]
		msg := e.problem()
		if check := checks[e.Bucket]; msg == "" && check != nil {
			msg = check(e)
		}
		if msg != "" {
			return &EntryError{i, msg}
		}
	}
	return nil
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
