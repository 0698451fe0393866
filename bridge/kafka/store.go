package kafka

import (
	"context"
	"time"

	"weft/jetstream/event"
	"weft/jetstream/store"
)

// Store is what the consumer needs of a node; see store.Store for what the
// methods promise.
type Store interface {
	NewPipeline(store.PipelineConfig) (Pipeline, error)
	HasID(ctx context.Context, subject string, id event.MsgID) (bool, error)
	Bounds(context.Context) (store.Bounds, error)
	ReadTail(context.Context, store.TailRequest) (Tail, error)
	// Place is behind everything that is stored, as far as the node knows without asking.
	Place() store.Place
	Majority(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc, error)
}

// Pipeline is a store.Pipeline.
type Pipeline interface {
	Put(ctx context.Context, e event.Event, mark int64) error
	Mark(ctx context.Context, mark int64) error
	Flush(ctx context.Context) error
	Abandon()
	Close() error
}

// Tail is a store.Tail.
type Tail interface {
	Has(subject string, id event.MsgID) bool
	Last(series string) int64
	Hashed() bool
	Read() uint64
}

// Majority is as cluster.Links has it.
type Majority func(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc, error)

// StoreOf makes a Store of a node's.
func StoreOf(s *store.Store, majority Majority) Store { return nodeStore{s, majority} }

type nodeStore struct {
	*store.Store
	majority Majority
}

// Majority waits until the node is linked to a majority of its cluster.
func (s nodeStore) Majority(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc, error) {
	return s.majority(ctx, timeout)
}

// NewPipeline returns the store's pipeline as an interface.
func (s nodeStore) NewPipeline(cfg store.PipelineConfig) (Pipeline, error) {
	p, err := s.Store.NewPipeline(cfg)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// ReadTail returns the store's tail as an interface.
func (s nodeStore) ReadTail(ctx context.Context, r store.TailRequest) (Tail, error) {
	t, err := s.Store.ReadTail(ctx, r)
	if err != nil {
		return nil, err
	}
	return t, nil
}
