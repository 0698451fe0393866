package store

import (
	"fmt"
	"testing"
	"time"

	"weft/jetstream/event"
)

// What a direct get with a start time and a subject finds is the first message that is not
// older, also where those between were removed.
func TestBeforeIsWhereATimeLiesInTheStream(t *testing.T) {
	t.Parallel()
	cfg := newConfig(t)
	cfg.limits.MaxPerSubject = 3
	s := open(t, cfg)
	for i := range 12 {
		e := event.Event{Subject: fmt.Sprint("user.u", i%2), Data: []byte("x")}
		if _, errs := s.PublishAll(t.Context(), []event.Event{e}); errs[0] != nil {
			t.Fatal(errs[0])
		}
	}
	b, err := s.Read(t.Context(), ">", 1, MaxBatch, 1<<20)
	if err != nil || len(b.Messages) != 6 {
		t.Fatalf("%d messages, %v", len(b.Messages), err)
	}
	before := func(at time.Time) uint64 {
		t.Helper()
		seq, err := s.Before(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		return seq
	}
	for i := range b.Messages {
		m := &b.Messages[i]
		if got := before(m.Time()); got != m.Seq-1 {
			t.Errorf("before the time of message %d lies %d", m.Seq, got)
		}
		if got := before(m.Time().Add(time.Nanosecond)); got != m.Seq {
			t.Errorf("right behind message %d lies %d", m.Seq, got)
		}
	}
	first, last := b.Messages[0].Seq, b.Messages[5].Seq
	if got := before(time.Unix(0, 0)); got != first-1 {
		t.Errorf("before all lies %d, the first one is %d", got, first)
	}
	if got := before(time.Now().Add(time.Hour)); got != last {
		t.Errorf("before a time to come lies %d, the last one is %d", got, last)
	}
}
