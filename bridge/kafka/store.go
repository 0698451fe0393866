package kafka

import (
	"context"
	"time"

	"weft/jetstream"
	"weft/jetstream/event"
)

// Store is what the consumer needs of a jetstream.Node; see there for what the
// methods promise.
type Store interface {
	NewPipeline(jetstream.PipelineConfig) (Pipeline, error)
	HasID(ctx context.Context, subject string, id event.MsgID) (bool, error)
	Majority(ctx context.Context, patience time.Duration) (context.Context, context.CancelFunc, error)
}

// Pipeline is a jetstream.Pipeline.
type Pipeline interface {
	Put(ctx context.Context, e event.Event, mark int64) error
	Mark(ctx context.Context, mark int64) error
	Flush(ctx context.Context) error
	Abandon()
	Close() error
}

// StoreOf makes a Store of a node.
func StoreOf(n *jetstream.Node) Store { return nodeStore{n} }

type nodeStore struct{ *jetstream.Node }

// NewPipeline returns the node's pipeline as an interface.
func (s nodeStore) NewPipeline(cfg jetstream.PipelineConfig) (Pipeline, error) {
	p, err := s.Node.NewPipeline(cfg)
	if err != nil {
		return nil, err
	}
	return p, nil
}
