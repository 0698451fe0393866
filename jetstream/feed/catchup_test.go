package feed

import (
	"context"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream/event"
	"weft/jetstream/store"
)

// silentStore does not answer a read, and must be asked nothing else.
type silentStore struct{ Store }

// After knows nothing: there is no copy of its own.
func (silentStore) After(context.Context, string, uint64, uint64, int, int) (store.Batch, bool) {
	return store.Batch{}, false
}

func (silentStore) Read(ctx context.Context, _ string, _ uint64, _, _ int) (store.Batch, error) {
	<-ctx.Done()
	return store.Batch{}, ctx.Err()
}

func (silentStore) State(context.Context) (st store.State, err error) { return st, nil }
func (silentStore) Barrier(context.Context) (uint64, error)           { return 0, nil }

type nobody struct{}

func (nobody) Handle(func(string) bool) {}

func (nobody) Changed(string) {}

func TestACopyThatComesWhileAFeedCatchesUpIsNoGap(t *testing.T) {
	t.Parallel()
	h := New(Params{Store: silentStore{}, Presence: nobody{}}, slog.New(slog.NewTextHandler(t.Output(), nil)), prometheus.NewRegistry())
	defer h.Close()
	f := newFeed(h, "user.ann", "out.user.ann", false)
	defer f.lifetime.end()
	f.begin(event.StreamID{}, 7)
	if !f.isLive() {
		t.Fatal("a feed that has all is not live")
	}
	f.recreated(0) // so that it reads all of another stream
	if f.isLive() {
		t.Fatal("a feed of another stream is live")
	}
	f.copy(&Message{Subject: "user.ann", Seq: 1, stamp: 1})
	if len(f.waiting.kept()) != 1 {
		t.Fatal("what comes meanwhile does not wait")
	}
	catchUp{f}.closeGap(t.Context()) // asks nobody for a message before it
	if !f.settle() || !f.isLive() || f.position() != 1 {
		t.Errorf("the feed is not live with all that there is: it is at %d", f.position())
	}
}

// A feed that is rolled back may have said already where it stands to who is joining.
func TestWhoJoinsAFeedThatIsRolledBackBeginsWhereItIsThen(t *testing.T) {
	t.Parallel()
	h := New(Params{Store: silentStore{}, Presence: nobody{}}, slog.New(slog.NewTextHandler(t.Output(), nil)), prometheus.NewRegistry())
	defer h.Close()
	f := newFeed(h, "user.ann", "out.user.ann", false)
	defer f.lifetime.end()
	f.begin(event.StreamID{}, 10)
	f.copy(&Message{Subject: "user.ann", Seq: 1000, previous: 10, stamp: 1}) // a forged one
	r := &Reader{hub: h}
	s := &subscription{reader: r, feed: f, state: joining}
	f.attach(s)
	catchUp{f}.rollBack(1000, 10, 1, false)
	if history := r.position(&join{}, s); history || s.pos != 10 {
		t.Errorf("it begins after %d, with history: %v", s.pos, history)
	}
}

type deafReceiver struct{ Receiver }

func (deafReceiver) Reset(Reset, string) {}

// Feeds are told one after the other that the stream was made anew. A cursor that is given
// meanwhile must not hold a position of the stream before.
func TestWhoSubscribesWhileTheStreamIsMadeAnewGetsPositionsOfOneStream(t *testing.T) {
	t.Parallel()
	h := New(Params{Store: silentStore{}, Presence: nobody{}}, slog.New(slog.NewTextHandler(t.Output(), nil)), prometheus.NewRegistry())
	defer h.Close()
	before, now := event.StreamID{1}, event.StreamID{2}
	for name, c := range map[string]struct {
		reader, joined event.StreamID
		pos, want      uint64
	}{
		"one that joined before the others were told":      {before, now, 3, 3},
		"one that has yet to be told, as the others":       {before, before, 400, 0},
		"one that has yet to be told, and the others were": {now, before, 400, 0},
	} {
		h.current.Store(&now)
		a := newFeed(h, "user.ann", "out.user.ann", false)
		b := newFeed(h, "topic.b", "out.topic.b", false)
		r := &Reader{hub: h, rcv: deafReceiver{}, stream: c.reader}
		first := &subscription{reader: r, feed: a, state: live}
		if c.reader == before {
			r.low, first.pos = 500, 500
		}
		r.subs = []*subscription{first}
		second := &subscription{reader: r, feed: b, state: joining, pos: c.pos}
		r.enterLocked(&join{stream: c.joined, subs: []*subscription{second}})
		cursor, err := event.ParseCursor(r.cursorLocked())
		if err != nil || cursor.Stream != now || cursor.Of("user.ann") != 0 || cursor.Of("topic.b") != c.want {
			t.Errorf("%s: %+v, %v", name, cursor, err)
		}
		if first.recreated(); second.pos != c.want {
			t.Errorf("%s: it is at %d when the other was told", name, second.pos)
		}
	}
}
