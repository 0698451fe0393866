package kv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"weft/jetstream/api"
)

// Inherit carries over the buckets of a version that kept them in another account,
// and removes them there. It is called with the blacklist loaded and before the node
// serves. Nodes may do it at the same time: what is there, or cuts more, stays as it
// is. It tells log how many entries there were.
func (t *Transfer) Inherit(ctx context.Context, from js.JetStream, log *slog.Logger) error {
	for _, bucket := range Operated {
		there, err := t.inheritBucket(ctx, from, bucket)
		if err != nil {
			return fmt.Errorf("carry over the bucket %s of an earlier version: %w", bucket, err)
		}
		if there >= 0 {
			log.Info("carried a bucket over from an earlier version", "bucket", bucket, "entries", there)
		}
	}
	return nil
}

// inheritBucket returns how many entries there were, -1 when there was no bucket.
func (t *Transfer) inheritBucket(ctx context.Context, from js.JetStream, bucket string) (int, error) {
	there := false
	err := api.Start().Do(ctx, func(ctx context.Context) error {
		_, err := from.Stream(ctx, Stream(bucket))
		there = err == nil
		if errors.Is(err, js.ErrStreamNotFound) {
			return nil
		}
		return err
	})
	if err != nil || !there {
		return -1, err
	}
	var entries []Entry
	if err := api.Start().Do(ctx, func(context.Context) error { entries, err = earlier(ctx, from, bucket); return err }); err != nil {
		return -1, err
	}
	for some := range slices.Chunk(entries, MaxImport) {
		if err := api.Start().Do(ctx, func(context.Context) error { return t.inheritEntries(ctx, bucket, some) }); err != nil {
			return -1, err
		}
	}
	return len(entries), api.Start().Do(ctx, func(ctx context.Context) error {
		if err := from.DeleteStream(ctx, Stream(bucket)); !errors.Is(err, js.ErrStreamNotFound) {
			return err
		}
		return nil
	})
}

// earlier reads all entries of an earlier bucket, from its leader: what a copy that
// lags does not have would be lost.
func earlier(ctx context.Context, from js.JetStream, bucket string) (entries []Entry, err error) {
	stream, err := from.Stream(ctx, Stream(bucket))
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
		message := &api.Message{Subject: m.Subject, Seq: m.Sequence, Time: m.Time, Header: m.Header, Data: m.Data}
		if c := changeOf(bucket, message, info.Config.MaxAge); !c.Gone {
			entries = append(entries, c.Entry)
		}
	}
	return entries, nil
}

// inheritEntries puts entries into the new bucket. One that is merged is merged; of
// others what is there is newer.
func (t *Transfer) inheritEntries(ctx context.Context, bucket string, entries []Entry) error {
	if t.rules[bucket].Merger != nil {
		mergers, err := t.newMergers()
		if err == nil {
			_, err = t.put(ctx, entries, mergers)
		}
		return err
	}
	messages := make([]*nats.Msg, len(entries))
	for i := range entries {
		messages[i] = Message(bucket, entries[i].Key, entries[i].Value, 0)
		messages[i].Header.Set(headerExpected, "0")
	}
	ctx, cancel := context.WithTimeout(ctx, importWait)
	defer cancel()
	return t.account.putAll(ctx, messages, nil)
}
