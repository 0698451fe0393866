package kv

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	js "github.com/nats-io/nats.go/jetstream"

	"weft/config/testkit/waitfor"
)

// looksTooEarly does not find a stream at the first look.
type looksTooEarly struct {
	js.JetStream
	once sync.Once
}

func (l *looksTooEarly) Stream(ctx context.Context, name string) (stream js.Stream, err error) {
	err = js.ErrStreamNotFound
	l.once.Do(func() { name = "" })
	if name == "" {
		return nil, err
	}
	return l.JetStream.Stream(ctx, name)
}

// Who removes a bucket and is quicker than the node to make another one in its place, of a
// kind that cannot be changed back, keeps the node from its bucket for a moment only.
func TestAnotherBucketInThePlaceOfOneThatIsGoneIsReplaced(t *testing.T) {
	a, cfg := openAccount(t, "b", 1)
	cfg.MaxBytes, cfg.Replicas = -1, 1
	if err := a.JS.DeleteStream(t.Context(), Stream("b")); err != nil {
		t.Fatal(err)
	}
	foreign := js.StreamConfig{Name: Stream("b"), Subjects: []string{Subject("b", ">")}, Retention: js.WorkQueuePolicy}
	if _, err := a.JS.CreateStream(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	store := a.JS
	a.JS = &looksTooEarly{JetStream: store}
	ctx, stop := context.WithCancel(t.Context())
	var keeping sync.WaitGroup
	keeping.Go(func() { NewKeeper(a, []Kept{{Config: cfg}}, slog.New(slog.DiscardHandler)).Run(ctx) })
	waitfor.True(t, func() bool {
		stream, err := store.Stream(t.Context(), Stream("b"))
		return err == nil && same(stream.CachedInfo().Config, cfg)
	})
	stop()
	keeping.Wait()
}
