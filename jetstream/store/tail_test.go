package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"weft/jetstream/event"
)

// tailOf reads what is behind a sequence of the partitions 0 and 1 of a topic.
func tailOf(t testing.TB, n *testStore, after uint64, from int64, topics ...string) *Tail {
	t.Helper()
	b, err := n.Bounds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := TailRequest{After: after, End: b.End, From: map[string]int64{}}
	for _, topic := range append(topics, "t") {
		for partition := range int32(2) {
			r.From[event.RecordSeries("k", topic, partition)] = from
		}
	}
	tail, err := n.ReadTail(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return tail
}

func put(t testing.TB, n *testStore, subject string, id event.MsgID) uint64 {
	t.Helper()
	ack, err := n.Publish(t.Context(), event.Event{Subject: subject, Data: []byte("x"), ID: id})
	if err != nil {
		t.Fatal(err)
	}
	return ack.Seq
}

func TestATailKnowsWhatIsStoredBehindAPlaceAndNothingElse(t *testing.T) {
	n := open(t, newConfig(t))
	id := func(partition, offset int) event.MsgID {
		return event.RecordID("k", "t", int32(partition), int64(offset))
	}
	put(t, n, "user.ann", id(0, 10))
	place := put(t, n, "user.bob", id(0, 11))
	put(t, n, "user.ann", id(0, 14)) // before 12, which had to be sent again
	put(t, n, "topic.a", id(0, 12))
	put(t, n, "user.ann", id(0, 12))
	put(t, n, "user.ann", event.PublicUser("ann").KeyID("k/t/0/13", 0))
	put(t, n, "user.cat", id(1, 13))
	put(t, n, "user.cat", event.MsgID{})
	long := strings.Repeat("t", 210) // its ids are hashes
	put(t, n, "user.ann", event.RecordID("k", long, 0, 3))
	put(t, n, "user.dan", event.RecordID("k", "another", 0, 13))

	tail := tailOf(t, n, place, 12, long)
	for _, c := range []struct {
		subject string
		id      event.MsgID
		want    bool
	}{
		{"user.ann", id(0, 10), false}, {"user.bob", id(0, 11), false}, // before the place
		{"topic.a", id(0, 12), true}, {"user.ann", id(0, 12), true}, {"user.bob", id(0, 12), false},
		{"user.ann", id(0, 13), false}, {"user.cat", id(0, 13), false}, {"user.cat", id(1, 13), true},
		{"user.ann", id(0, 14), true}, {"user.ann", id(0, 15), false},
		{"user.ann", event.RecordID("k", long, 0, 3), true}, {"user.ann", event.RecordID("k", long, 0, 4), false},
		{"user.dan", event.RecordID("k", "another", 0, 13), false}, // nobody asked for it
	} {
		if got := tail.Has(c.subject, c.id); got != c.want {
			t.Errorf("%v under %s: known %v, want %v", c.id, c.subject, got, c.want)
		}
	}
	for partition, want := range []int64{14, 13} {
		if got := tail.Last(event.RecordSeries("k", "t", int32(partition))); got != want {
			t.Errorf("the last of partition %d is %d, want %d", partition, got, want)
		}
	}
	if got := tail.Last(event.RecordSeries("k", long, 0)); got != -1 {
		t.Errorf("the last of what is hashed is %d", got)
	}
	empty := tailOf(t, n, place+1000, 0)
	if empty.Read() != 0 || empty.Has("user.ann", id(0, 14)) {
		t.Errorf("behind the end there are %d messages", empty.Read())
	}
}

func TestATailKnowsWhatTheLimitPerSubjectHasRemoved(t *testing.T) {
	cfg := newConfig(t)
	cfg.limits.MaxPerSubject = 5
	n := open(t, cfg)
	place := put(t, n, "user.ann", numberedEvent("", 0).ID)
	id := func(offset int) event.MsgID { return event.RecordID("k", "t", 0, int64(offset)) }
	for offset := 1; offset < 10; offset++ {
		put(t, n, "user.ann", id(offset))
	}
	put(t, n, "user.bob", id(4))
	tail := tailOf(t, n, place, 1)
	for offset := 1; offset <= 10; offset++ { // 5 to 9 are left
		if got, want := tail.Has("user.ann", id(offset)), offset < 10; got != want {
			t.Errorf("record %d of a subject that is full: known %v, want %v", offset, got, want)
		}
	}
	if tail.Has("user.bob", id(3)) {
		t.Error("a record is taken for removed from a subject that is not full")
	}
}

func TestBoundsSayHowMuchIsBehindAPlace(t *testing.T) {
	n := open(t, newConfig(t))
	for i := range 10 {
		put(t, n, "user.ann", numberedEvent("", i).ID)
	}
	b, err := n.Bounds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if b.First != 1 || b.End < 11 || b.Stream != n.StreamID() {
		t.Fatalf("bounds %+v", b)
	}
	for seq, want := range map[uint64]uint64{0: b.End, 1: b.End - 1, b.End - 1: 1, b.End: 0} {
		if got, err := b.Behind(Place{b.Stream, seq}); err != nil || got != want {
			t.Errorf("behind %d are %d, %v; want %d", seq, got, err, want)
		}
	}
	late := Bounds{Stream: b.Stream, First: 8, End: 10}
	for seq, want := range map[uint64]uint64{0: 3, 6: 3, 7: 3, 8: 2, 10: 0} {
		if got, err := late.Behind(Place{b.Stream, seq}); err != nil || got != want {
			t.Errorf("behind %d of 8 to 10 are %d, %v; want %d", seq, got, err, want)
		}
	}
	for _, p := range []Place{{}, {Stream: event.StreamID{1}, Seq: 1}, {b.Stream, b.End + 1}} {
		if _, err := b.Behind(p); !errors.Is(err, ErrBeyond) {
			t.Errorf("place %v: %v", p, err)
		}
	}
}

// The stream goes away in the middle; what was read counts.
func TestATailIsReadOnWhenTheServerRestarts(t *testing.T) {
	cfg := newConfig(t)
	cfg.limits.MaxPerSubject = 100_000
	n := open(t, cfg)
	p := openPipeline(t, n, PipelineConfig{})
	const total = progressEvery + 20_000
	for i := range total {
		if err := p.Put(t.Context(), numberedEvent(fmt.Sprintf("user.u%d", i%100), i), int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, err := n.Bounds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	restarts := 0
	tail, err := n.ReadTail(ctx, TailRequest{End: b.End, From: map[string]int64{event.RecordSeries("k", "t", 0): 0},
		Progress: func(read, left uint64) {
			if read+left < total {
				t.Errorf("%d read and %d left", read, left)
			}
			if restarts++; restarts == 1 {
				n.srv.stop()
				if err := n.srv.start(); err != nil {
					t.Error(err)
				}
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	if restarts == 0 || tail.Read() != b.End {
		t.Errorf("after %d restarts %d messages were read, want %d", restarts, tail.Read(), b.End)
	}
	for i := range total {
		if !tail.Has(fmt.Sprintf("user.u%d", i%100), numberedEvent("", i).ID) {
			t.Fatalf("record %d is not known", i)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := n.ReadTail(ended, TailRequest{End: b.End}); !errors.Is(err, context.Canceled) {
		t.Errorf("a read that nobody waits for: %v", err)
	}
}

func BenchmarkReadTail(b *testing.B) {
	cfg := newConfig(b)
	n := open(b, cfg)
	p, err := n.NewPipeline(PipelineConfig{})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	const total = 200_000
	for i := range total {
		e := numberedEvent(fmt.Sprintf("user.u%d", i%10_000), i)
		e.Data = make([]byte, 128)
		if err := p.Put(b.Context(), e, int64(i)); err != nil {
			b.Fatal(err)
		}
	}
	if err := p.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if tail := tailOf(b, n, 0, 0); tail.Read() < total {
			b.Fatalf("%d read", tail.Read())
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/total, "µs/message")
}
