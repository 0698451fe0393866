// Package kv keeps and reads the buckets (ADR-8 of NATS): what is in them, how they
// must be, and a Watch, which is a copy of one in memory that is proven fresh.
//
// A bucket is the stream KV_<bucket> with the subjects $KV.<bucket>.<key>. It is read
// as that stream, because only there an entry shows its own time to live. Buckets of
// operators are in an account of their own, which the nodes look after: what is
// missing is made anew, what was changed is changed back.
package kv

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"weft/jetstream/api"
	"weft/jetstream/subject"
)

// Names of buckets.
const (
	Blacklist = "blacklist"
	Routes    = "routes"
	Nodes     = "nodes"
)

// Operated are the buckets that operators use, in the order in which they are
// exported: what cuts comes before what opens.
var Operated = []string{Blacklist, Routes}

// askTry bounds one question that an operator waits for.
const askTry = 2 * time.Second

// Stream is the name of a bucket's stream.
func Stream(bucket string) string { return "KV_" + bucket }

// Subject is the subject of a bucket's key.
func Subject(bucket, key string) string { return subject.Keys + bucket + "." + key }

// An Account is the way to an account with buckets.
type Account struct {
	api.Client
	// Own begins the subjects that the node itself writes its buckets by, in the place of
	// $KV.; empty: it writes as everybody does.
	Own string
}

// own is a message as the node publishes it.
func (a *Account) own(m *nats.Msg) *nats.Msg {
	out := &nats.Msg{Subject: m.Subject, Reply: m.Reply, Header: m.Header, Data: m.Data}
	if key, ok := strings.CutPrefix(m.Subject, subject.Keys); ok && a.Own != "" {
		out.Subject = a.Own + key
	}
	return out
}

// Put publishes a message into a bucket of the account, as the function Put does.
func (a *Account) Put(ctx context.Context, m *nats.Msg) error {
	if err := Put(ctx, a.Conn, a.own(m)); err != nil {
		return fmt.Errorf("write %s: %w", m.Subject, err)
	}
	return nil
}

// Ensure makes a bucket, or brings it up to the configuration.
func Ensure(ctx context.Context, store js.JetStream, cfg js.KeyValueConfig) error {
	return api.Start().Do(ctx, func(ctx context.Context) error {
		_, err := store.CreateOrUpdateKeyValue(ctx, cfg)
		if errors.Is(err, js.ErrBucketExists) || errors.Is(err, js.ErrStreamNameAlreadyInUse) {
			return api.ErrTakenOver
		} else if err != nil {
			return fmt.Errorf("open bucket %s: %w", cfg.Bucket, err)
		}
		return nil
	})
}

// Put publishes a message into a bucket and returns after it is stored. To say the
// same twice does no harm, so it is repeated until it is acknowledged or ctx ends.
func Put(ctx context.Context, conn *nats.Conn, m *nats.Msg) error {
	err := api.Write().Do(ctx, func(ctx context.Context) error {
		resp, err := conn.RequestMsgWithContext(ctx, m)
		if err != nil {
			return fmt.Errorf("%w: %w", api.ErrUnavailable, err)
		}
		_, err = api.AckOf(resp)
		return err
	})
	return err
}

// ErrFull is an api.ErrDiskFull: the bucket has its greatest size, whatever the disk has.
var ErrFull = fmt.Errorf("%w: the bucket has its greatest size", api.ErrDiskFull)

// PutAt publishes a message into a bucket, once, provided that the newest of its key has
// the given sequence; 0: that there is none, not even a deletion. It returns the
// message's own. Its errors are api.ErrExists when another is the newest,
// api.ErrUnavailable, ErrFull, api.ErrDiskFull and api.ErrRefused.
func (a *Account) PutAt(ctx context.Context, m *nats.Msg, newest uint64) (seq uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, api.WriteTry)
	defer cancel()
	m.Header.Set(headerExpected, strconv.FormatUint(newest, 10))
	resp, err := a.Conn.RequestMsgWithContext(ctx, a.own(m))
	if err != nil {
		return 0, fmt.Errorf("%w: write %s: %w", api.ErrUnavailable, m.Subject, err)
	}
	ack, err := api.AckOf(resp)
	if api.IsCode(err, api.CodeStore) {
		err = fmt.Errorf("%w: %w", ErrFull, err)
	}
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", m.Subject, err)
	}
	return ack.Seq, nil
}

// putAll writes messages into buckets side by side and returns when all are
// stored. What is not acknowledged is sent again, which changes nothing. The sequences
// of those that are known to be stored are entered in stored; it may be nil.
func (a *Account) putAll(ctx context.Context, messages []*nats.Msg, stored map[*nats.Msg]uint64) error {
	for todo := messages; len(todo) > 0; {
		var err error
		if todo, err = a.putRound(ctx, todo, stored); errors.Is(err, api.ErrRefused) {
			return err
		} else if len(todo) == 0 {
			break
		}
		if !api.Sleep(ctx, api.WritePause) {
			return fmt.Errorf("%w: %d entries are not acknowledged: %w", api.ErrUnavailable, len(todo), err)
		}
	}
	return nil
}

// putRound sends messages once and returns those that were not acknowledged.
func (a *Account) putRound(ctx context.Context, todo []*nats.Msg, stored map[*nats.Msg]uint64) (left []*nats.Msg, err error) {
	reply, answers, done := a.Mux.Expect(len(todo))
	defer done()
	open := make(map[string]*nats.Msg, len(todo))
	for i, m := range todo {
		m.Reply = fmt.Sprintf("%s.%d", reply, i)
		open[m.Reply] = m
		if err := a.Conn.PublishMsg(a.own(m)); err != nil {
			return todo, fmt.Errorf("%w: %w", api.ErrUnavailable, err)
		}
	}
	unacknowledged := func() []*nats.Msg {
		return slices.DeleteFunc(slices.Clone(todo), func(m *nats.Msg) bool { return open[m.Reply] == nil })
	}
	silence := time.NewTimer(api.WriteTry)
	defer silence.Stop()
	for range todo {
		select {
		case <-ctx.Done():
			return unacknowledged(), ctx.Err()
		case <-silence.C:
			return unacknowledged(), errors.New("no answer")
		case m := <-answers:
			silence.Reset(api.WriteTry)
			var ack api.Ack
			if ack, err = api.AckOf(m); err == nil && stored != nil && open[m.Subject] != nil {
				stored[open[m.Subject]] = ack.Seq
			}
			if err == nil || errors.Is(err, api.ErrExists) {
				delete(open, m.Subject)
			}
			if errors.Is(err, api.ErrRefused) {
				return nil, err
			}
		}
	}
	return unacknowledged(), err
}
