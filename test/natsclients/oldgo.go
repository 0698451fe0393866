package natsclients

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
)

// old uses the first API for JetStream of nats.go.
type old struct {
	nc       *nats.Conn
	js       nats.JetStreamContext
	troubles chan error
	watch    nats.KeyWatcher
}

func openOld(_ context.Context, l Login) (Client, error) {
	o := &old{troubles: make(chan error, 16)}
	var err error
	if o.nc, err = connect(l, o.troubles); err != nil {
		return nil, err
	}
	o.js, err = o.nc.JetStream(nats.MaxWait(20 * time.Second))
	return o, err
}

func (o *old) Close() { o.nc.Close() }

func (o *old) Do(ctx context.Context, r Request) (a Answer, err error) {
	switch r.Op {
	case OpBuckets:
		for name := range o.js.KeyValueStoreNames() {
			a.Keys = append(a.Keys, name)
		}
		return a, nil
	case OpSend:
		return a, send(ctx, o.nc, r)
	case OpServe:
		return a, serve(ctx, o.nc, r)
	case OpPublish:
		options := []nats.PubOpt{nats.Context(ctx)}
		if r.ID != "" {
			options = append(options, nats.MsgId(r.ID))
		}
		ack, err := o.js.PublishMsg(messageOf(r), options...)
		if err != nil {
			return a, err
		}
		return Answer{Stream: ack.Stream, Seq: ack.Sequence, Duplicate: ack.Duplicate}, nil
	case OpTrouble:
		return nextTrouble(ctx, o.troubles)
	case OpNext:
		select {
		case e := <-o.watch.Updates():
			if e == nil {
				return a, errWatch
			}
			return Answer{Entries: []Entry{oldEntry(e)}}, nil
		case <-ctx.Done():
			return a, ctx.Err()
		}
	case OpUnwatch:
		return a, o.watch.Stop()
	}
	kv, err := o.js.KeyValue(r.Bucket)
	if err != nil {
		return a, err
	}
	return o.inBucket(ctx, kv, r)
}

func (o *old) inBucket(ctx context.Context, kv nats.KeyValue, r Request) (a Answer, err error) {
	switch r.Op {
	case OpPut:
		a.Revision, err = kv.Put(r.Key, r.payload())
	case OpCreate:
		a.Revision, err = kv.Create(r.Key, r.payload())
	case OpUpdate:
		a.Revision, err = kv.Update(r.Key, r.payload(), r.Revision)
	case OpDelete:
		err = kv.Delete(r.Key)
	case OpPurge:
		err = kv.Purge(r.Key)
	case OpGet:
		e, err := kv.Get(r.Key)
		if errors.Is(err, nats.ErrKeyNotFound) {
			return a, nil
		} else if err != nil {
			return a, err
		}
		a.Entries = []Entry{oldEntry(e)}
	case OpKeys:
		if a.Keys, err = kv.Keys(nats.Context(ctx)); errors.Is(err, nats.ErrNoKeysFound) {
			err = nil
		}
	case OpHistory:
		entries, err := kv.History(r.Key, nats.Context(ctx))
		for _, e := range entries {
			a.Entries = append(a.Entries, oldEntry(e))
		}
		return a, err
	case OpWatch:
		if o.watch, err = kv.WatchAll(nats.Context(context.WithoutCancel(ctx))); err != nil {
			return a, err
		}
		for e := range o.watch.Updates() {
			if e == nil { // all that was there has been told
				return a, nil
			}
			a.Entries = append(a.Entries, oldEntry(e))
		}
		return a, errWatch
	case OpStatus:
		s, err := kv.Status()
		if err != nil {
			return a, err
		}
		return Answer{Bucket: s.Bucket(), History: int(s.History()), Values: int(s.Values())}, nil
	default:
		err = errOp
	}
	return a, err
}

var oldOps = map[nats.KeyValueOp]string{nats.KeyValuePut: "PUT", nats.KeyValueDelete: "DEL", nats.KeyValuePurge: "PURGE"}

func oldEntry(e nats.KeyValueEntry) Entry {
	return Entry{Key: e.Key(), Value: string(e.Value()), Revision: e.Revision(), Op: oldOps[e.Operation()]}
}
