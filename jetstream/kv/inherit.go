package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"weft/jetstream/api"
	"weft/jetstream/event"
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
	return n.awaitProof(ctx)
}

// awaitProof returns when the leader has confirmed that the mirror has every entry of
// the blacklist: the copy that it was loaded from may lag.
func (n *Node) awaitProof(ctx context.Context) error {
	for {
		if n.prove(ctx); n.blacklist.isProved() {
			return nil
		}
		if !api.Sleep(ctx, api.StartPause) {
			return fmt.Errorf("load blacklist: %w", context.Cause(ctx))
		}
	}
}

func (n *Node) inheritBucket(ctx context.Context, bucket string) error {
	there := false
	err := api.Start().Do(ctx, func(ctx context.Context) error {
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
	if err := api.Start().Do(ctx, func(context.Context) error { entries, err = n.earlier(ctx, bucket); return err }); err != nil {
		return err
	}
	for some := range slices.Chunk(entries, MaxImport) {
		if err := api.Start().Do(ctx, func(context.Context) error { return n.inheritEntries(ctx, bucket, some) }); err != nil {
			return err
		}
	}
	err = api.Start().Do(ctx, func(ctx context.Context) error {
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

// earlier reads all entries of an earlier bucket, from its leader: what a copy that
// lags does not have would be lost.
func (n *Node) earlier(ctx context.Context, bucket string) (entries []Entry, err error) {
	stream, err := n.js.Stream(ctx, "KV_"+bucket)
	if errors.Is(err, js.ErrStreamNotFound) {
		return nil, nil // another node was quicker
	} else if err != nil {
		return nil, err
	}
	info, err := stream.Info(ctx, js.WithSubjectFilter(">"))
	if err != nil {
		return nil, err
	}
	for s := range info.State.Subjects {
		m, err := stream.GetLastMsgForSubject(ctx, s)
		if errors.Is(err, js.ErrMsgNotFound) {
			continue // it has expired
		} else if err != nil {
			return nil, err
		}
		if e, ok := entryOf(bucket, &event.Stored{Subject: m.Subject, Seq: m.Sequence, Header: m.Header, Data: m.Data, StoredAt: m.Time}, info.Config.MaxAge); ok {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// inheritEntries puts entries into the new bucket. A route that is there is newer; of
// the blacklist that which cuts more counts.
func (n *Node) inheritEntries(ctx context.Context, bucket string, entries []Entry) error {
	if bucket == bucketBlacklist {
		_, err := n.putEntries(ctx, entries)
		return err
	}
	messages := make(map[string]*nats.Msg, len(entries))
	for i := range entries {
		m := nats.NewMsg("$KV." + bucket + "." + entries[i].Key)
		m.Data = entries[i].Value
		m.Header.Set(headerExpected, "0")
		messages[m.Subject] = m
	}
	ctx, cancel := context.WithTimeout(ctx, importWait)
	defer cancel()
	return n.putAll(ctx, messages)
}
