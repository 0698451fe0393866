package store

import (
	"testing"

	"weft/jetstream/event"
)

// What the limit per subject removed is known all the same, so that a record
// which comes again after a crash is not stored a second time; what was never
// stored is not taken for removed.
func TestARecordThatWasRemovedByTheLimitIsKnown(t *testing.T) {
	cfg := newConfig(t)
	cfg.limits.MaxPerSubject = 5
	n := open(t, cfg)
	id := func(partition, offset int) event.MsgID {
		return event.RecordID("kafka", "orders", int32(partition), int64(offset))
	}
	store := func(partition, offset int) {
		t.Helper()
		if _, err := n.Publish(t.Context(), event.Event{Subject: "user.ann", ID: id(partition, offset)}); err != nil {
			t.Fatal(err)
		}
	}
	known := func(partition, offset int, want bool) {
		t.Helper()
		got, err := n.HasID(t.Context(), "user.ann", id(partition, offset))
		if err != nil || got != want {
			t.Errorf("record %d of partition %d: known %v, %v; want %v", offset, partition, got, err, want)
		}
	}
	store(0, 10)
	store(0, 12)
	n.Deduplication = newDeduplication(n.Stream, n.Reader) // as after a restart
	known(0, 9, false)                                     // nothing can have been removed
	known(0, 10, true)
	known(0, 11, false)
	for offset := 13; offset < 20; offset++ {
		store(0, offset)
	}
	n.Deduplication = newDeduplication(n.Stream, n.Reader)
	known(0, 12, true) // 15 to 19 are left
	known(0, 14, true)
	known(0, 15, true)
	known(0, 20, false)
	known(1, 3, false) // of a partition that nothing is stored of
}
