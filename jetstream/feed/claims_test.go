package feed

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream/event"
	"weft/jetstream/store"
)

// A slowStore knows how far the stream has come, but a majority says so only when it may.
type slowStore struct {
	silentStore
	last   uint64
	agreed chan struct{}
}

func (s *slowStore) State(context.Context) (store.State, error) {
	return store.State{First: 1, Last: s.last}, nil
}

func (s *slowStore) Barrier(ctx context.Context) (uint64, error) {
	select {
	case <-s.agreed:
		return s.last, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// A copy that claims to be far beyond the last tick is not handed on before a majority has
// been asked. The next tick may be quicker: nobody may be given a cursor beyond the copy.
func TestTheLowWatermarkStaysBelowACopyThatIsYetToBeJudged(t *testing.T) {
	t.Parallel()
	const far = 100 + reach + 1
	s := &slowStore{last: far + 1, agreed: make(chan struct{})}
	h := New(Params{Store: s, Presence: nobody{}}, slog.New(slog.NewTextHandler(t.Output(), nil)), prometheus.NewRegistry())
	defer h.Close()
	w := &watch{hub: h}
	w.look()
	h.ticks.seen(100)
	if w.look(); h.lowWatermark() != 100 {
		t.Fatalf("the low watermark is %d after a tick at 100", h.lowWatermark())
	}
	f := newFeed(h, "user.ann", "out.user.ann", false)
	defer f.lifetime.end()
	h.feeds.feeds[f.key] = f
	f.begin(event.StreamID{}, 100)
	h.take(&event.Copy{Subject: []byte("out.user.ann"), Seq: far, Previous: 7, Stamp: 1})
	h.ticks.seen(far + 1)
	if w.look(); h.lowWatermark() != 100 || !f.isLive() {
		t.Fatalf("the low watermark is %d while nobody has judged the copy", h.lowWatermark())
	}
	close(s.agreed)
	for deadline := time.Now().Add(30 * time.Second); h.lowWatermark() != far+1; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the low watermark stays at %d", h.lowWatermark())
		}
		w.look()
	}
	if f.isLive() {
		t.Error("the feed has not begun to read what it did not hand on")
	}
}
