package kv

import (
	"context"
	"errors"
	"fmt"
	"time"

	js "github.com/nats-io/nats.go/jetstream"

	"weft/jetstream/api"
)

// exportIdle is how long an export waits for a copy that is behind the leader.
const exportIdle = time.Second

// Export hands every entry of blacklist and routes to fn, one after the other,
// until it fails. A bucket that is not there has none. An entry that is made
// meanwhile may be missing, and one that changes may come twice, the newer last.
// It fails with ErrUnavailable when not all could be read.
func (t *Transfer) Export(ctx context.Context, fn func(Entry) error) error {
	if err := t.guards.Opened(); err != nil {
		return err
	}
	for _, bucket := range Operated {
		carry := fn
		if rules := t.rules[bucket]; rules.Export != nil {
			export := rules.Export(ctx)
			carry = func(e Entry) error {
				if !export(&e) {
					return nil
				}
				return fn(e)
			}
		}
		if err := exportBucket(ctx, t.account.JS, bucket, carry); err != nil {
			return fmt.Errorf("export bucket %s: %w", bucket, err)
		}
	}
	return nil
}

func exportBucket(ctx context.Context, store js.JetStream, bucket string, fn func(Entry) error) error {
	try, cancel := context.WithTimeout(ctx, askTry)
	defer cancel()
	stream, err := store.Stream(try, Stream(bucket))
	if errors.Is(err, js.ErrStreamNotFound) {
		return nil
	} else if err != nil {
		return fmt.Errorf("%w: %w", api.ErrUnavailable, err)
	}
	info := stream.CachedInfo()
	if info.State.Msgs == 0 {
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	c, err := api.Consume(ctx, store, Stream(bucket), js.ConsumerConfig{DeliverPolicy: js.DeliverLastPerSubjectPolicy})
	if err != nil {
		return fmt.Errorf("%w: %w", api.ErrUnavailable, err)
	}
	defer c.Stop()
	// The copy that is read may be behind the leader; what it lacks comes at the
	// end. The newest message may also be gone by now, so the wait is bounded.
	idle := time.AfterFunc(exportIdle, c.Stop)
	defer idle.Stop()
	for left := c.Pending; ; {
		m, more, err := c.Next()
		if err != nil {
			if ctx.Err() != nil || left > 0 {
				return fmt.Errorf("%w: %w", api.ErrUnavailable, err)
			}
			return nil
		}
		left = more
		if change := changeOf(bucket, m, info.Config.MaxAge); !change.Gone {
			if err := fn(change.Entry); err != nil {
				return err
			}
		}
		if more == 0 && m.Seq >= info.State.LastSeq {
			return nil
		}
		idle.Reset(exportIdle)
	}
}
