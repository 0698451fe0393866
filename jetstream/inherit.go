package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"

	js "github.com/nats-io/nats.go/jetstream"
)

// inherit carries over the buckets of a version that kept them in the nodes'
// account, and removes them there. It is called with the blacklist loaded and
// before the node serves. Nodes may do it at the same time: what is there, or cuts
// more, stays as it is.
func (n *Node) inherit(ctx context.Context) error {
	for _, bucket := range carried {
		if err := n.inheritBucket(ctx, bucket); err != nil {
			return fmt.Errorf("carry over the bucket %s of an earlier version: %w", bucket, err)
		}
	}
	return nil
}

func (n *Node) inheritBucket(ctx context.Context, bucket string) error {
	there := false
	err := retry(ctx, func(ctx context.Context) error {
		_, err := n.js.Stream(ctx, "KV_"+bucket)
		there = err == nil
		if errors.Is(err, js.ErrStreamNotFound) {
			return nil
		}
		return err
	})
	if err != nil || !there {
		return err
	}
	var entries []Entry
	err = retry(ctx, func(context.Context) error {
		entries = entries[:0]
		return exportBucket(ctx, n.js, bucket, func(e Entry) error { entries = append(entries, e); return nil })
	})
	if err != nil {
		return err
	}
	for some := range slices.Chunk(entries, MaxImport) {
		if err := retry(ctx, func(context.Context) error { _, err := n.putEntries(ctx, some); return err }); err != nil {
			return err
		}
	}
	err = retry(ctx, func(ctx context.Context) error {
		if err := n.js.DeleteStream(ctx, "KV_"+bucket); !errors.Is(err, js.ErrStreamNotFound) {
			return err
		}
		return nil
	})
	if err == nil {
		n.log.Info("carried a bucket over from an earlier version", "bucket", bucket, "entries", len(entries))
	}
	return err
}
