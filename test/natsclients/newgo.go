package natsclients

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// modern uses the second API for JetStream of nats.go, the package jetstream.
type modern struct {
	nc       *nats.Conn
	js       jetstream.JetStream
	troubles chan error
	watch    jetstream.KeyWatcher
}

func openNew(_ context.Context, l Login) (Client, error) {
	n := &modern{troubles: make(chan error, 16)}
	var err error
	if n.nc, err = connect(l, n.troubles); err != nil {
		return nil, err
	}
	n.js, err = jetstream.New(n.nc)
	return n, err
}

func (n *modern) Close() { n.nc.Close() }

func (n *modern) Do(ctx context.Context, r Request) (a Answer, err error) {
	switch r.Op {
	case OpBuckets:
		names := n.js.KeyValueStoreNames(ctx)
		for name := range names.Name() {
			a.Keys = append(a.Keys, name)
		}
		return a, names.Error()
	case OpSend:
		return a, send(ctx, n.nc, r)
	case OpServe:
		return a, serve(ctx, n.nc, r)
	case OpPublish:
		var options []jetstream.PublishOpt
		if r.ID != "" {
			options = append(options, jetstream.WithMsgID(r.ID))
		}
		ack, err := n.js.PublishMsg(ctx, messageOf(r), options...)
		if err != nil {
			return a, err
		}
		return Answer{Stream: ack.Stream, Seq: ack.Sequence, Duplicate: ack.Duplicate}, nil
	case OpTrouble:
		return nextTrouble(ctx, n.troubles)
	case OpNext:
		select {
		case e := <-n.watch.Updates():
			if e == nil {
				return a, errWatch
			}
			return Answer{Entries: []Entry{newEntry(e)}}, nil
		case <-ctx.Done():
			return a, ctx.Err()
		}
	case OpUnwatch:
		return a, n.watch.Stop()
	}
	kv, err := n.js.KeyValue(ctx, r.Bucket)
	if err != nil {
		return a, err
	}
	return n.inBucket(ctx, kv, r)
}

func (n *modern) inBucket(ctx context.Context, kv jetstream.KeyValue, r Request) (a Answer, err error) {
	switch r.Op {
	case OpPut:
		a.Revision, err = kv.Put(ctx, r.Key, r.payload())
	case OpCreate:
		a.Revision, err = kv.Create(ctx, r.Key, r.payload())
	case OpUpdate:
		a.Revision, err = kv.Update(ctx, r.Key, r.payload(), r.Revision)
	case OpDelete:
		err = kv.Delete(ctx, r.Key)
	case OpPurge:
		err = kv.Purge(ctx, r.Key)
	case OpGet:
		e, err := kv.Get(ctx, r.Key)
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			return a, nil
		} else if err != nil {
			return a, err
		}
		a.Entries = []Entry{newEntry(e)}
	case OpKeys:
		if a.Keys, err = kv.Keys(ctx); errors.Is(err, jetstream.ErrNoKeysFound) {
			err = nil
		}
	case OpHistory:
		entries, err := kv.History(ctx, r.Key)
		for _, e := range entries {
			a.Entries = append(a.Entries, newEntry(e))
		}
		return a, err
	case OpWatch:
		if n.watch, err = kv.WatchAll(context.WithoutCancel(ctx)); err != nil {
			return a, err
		}
		for e := range n.watch.Updates() {
			if e == nil { // all that was there has been told
				return a, nil
			}
			a.Entries = append(a.Entries, newEntry(e))
		}
		return a, errWatch
	case OpStatus:
		s, err := kv.Status(ctx)
		if err != nil {
			return a, err
		}
		return Answer{Bucket: s.Bucket(), History: int(s.History()), Values: int(s.Values())}, nil
	default:
		err = errOp
	}
	return a, err
}

var newOps = map[jetstream.KeyValueOp]string{jetstream.KeyValuePut: "PUT", jetstream.KeyValueDelete: "DEL", jetstream.KeyValuePurge: "PURGE"}

func newEntry(e jetstream.KeyValueEntry) Entry {
	return Entry{Key: e.Key(), Value: string(e.Value()), Revision: e.Revision(), Op: newOps[e.Operation()]}
}
