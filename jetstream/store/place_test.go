package store

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"weft/jetstream/api"
	"weft/jetstream/event"
)

// places records with which place each mark was told.
type places struct {
	mu     sync.Mutex
	marks  []int64
	places []Place
}

func (l *places) config(window int) PipelineConfig {
	return PipelineConfig{Window: window, Stored: func(mark int64, at Place) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.marks, l.places = append(l.marks, mark), append(l.places, at)
	}}
}

// behind fails unless all that was put behind each mark is stored behind its place.
// It returns the last place.
func (l *places) behind(t *testing.T, n *testStore, of func(mark int64) []event.Event) Place {
	t.Helper()
	at := map[string]uint64{}
	for from := uint64(1); ; {
		b, err := n.Read(t.Context(), ">", from, MaxBatch, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Messages {
			at[event.FirstValue(b.Messages[i].Header, event.HeaderMsgID)], from = b.Messages[i].Seq, b.Messages[i].Seq+1
		}
		if b.Pending == 0 {
			break
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.marks) == 0 {
		t.Fatal("no mark was told")
	}
	for i, mark := range l.marks {
		if l.places[i].Stream != n.StreamID() {
			t.Fatalf("mark %d has a place in %x, want %x", mark, l.places[i].Stream, n.StreamID())
		}
		for _, e := range of(mark) {
			if seq := at[n.MessageID(&e.ID, e.Subject)]; seq != 0 && seq <= l.places[i].Seq {
				t.Fatalf("%s, which follows mark %d, is stored as %d; the mark's place is %d", e.Data, mark, seq, l.places[i].Seq)
			}
		}
	}
	return l.places[len(l.places)-1]
}

// A record of several events of which only some are stored is not settled: its first
// event is behind the place, too, however late the last is put.
func TestWhatFollowsAMarkIsStoredBehindItsPlace(t *testing.T) {
	n := open(t, newConfig(t))
	var l places
	p := openPipeline(t, n, l.config(64))
	copies := func(i int) (list []event.Event) {
		for _, subject := range []string{"user.ann", "topic.a", "user.bob"} {
			list = append(list, numberedEvent(subject, i))
		}
		return list
	}
	const total = 30
	for i := range total {
		for j, e := range copies(i) {
			mark := int64(-1)
			if j == 2 {
				mark = int64(i)
			}
			if err := p.Put(t.Context(), e, mark); err != nil {
				t.Fatal(err)
			}
			if i%3 == 0 { // each is stored before the next is put
				if err := p.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if i%5 == 0 {
			if err := p.Mark(t.Context(), int64(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	last := l.behind(t, n, func(mark int64) (list []event.Event) {
		for i := int(mark) + 1; i < total; i++ {
			list = append(list, copies(i)...)
		}
		return list
	})
	if last.Seq < 3*total {
		t.Errorf("after all is stored the place is %d, want %d", last.Seq, 3*total)
	}
}

// Of what was in flight when a leader went later events may have been stored and earlier
// ones not: those are stored last.
func TestAPlaceHoldsWhenALaterEventIsStoredBeforeAnEarlierOne(t *testing.T) {
	cfg := newConfig(t)
	cfg.limits.MaxPerSubject = 10_000
	n := open(t, cfg)
	var l places
	p := openPipeline(t, n, l.config(64))
	const total = 400
	events := make([]event.Event, total)
	for i := range events {
		events[i] = numberedEvent(fmt.Sprintf("user.u%d", i%7), i)
	}
	put := func(from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			if err := p.Put(t.Context(), events[i], int64(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := 0; i < total; i += 100 {
		put(i, i+40)
		n.full.Store(true) // what is put now is not sent
		put(i+40, i+60)
		for j := range events[i+50 : i+60] { // and this came through all the same
			if _, err := n.client.JS.PublishMsg(t.Context(), n.message(&events[i+50+j])); err != nil {
				t.Fatal(err)
			}
		}
		n.full.Store(false)
		put(i+60, i+100)
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	l.behind(t, n, func(mark int64) []event.Event { return events[mark+1:] })
}

// The answer to the first event of a record comes before that to the record before, and
// much is stored before the second event is put.
func TestTheFirstEventOfARecordIsBehindThePlaceWhenTheSecondIsPutMuchLater(t *testing.T) {
	n := open(t, newConfig(t))
	var l places
	p := openPipeline(t, n, l.config(8))
	n.full.Store(true) // nothing is sent
	put := func(i int, mark int64) {
		t.Helper()
		if err := p.Put(t.Context(), numberedEvent("user.ann", i), mark); err != nil {
			t.Fatal(err)
		}
	}
	settle := func(slot int) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.settleSlotLocked(&p.ring[slot], nil)
	}
	put(0, 0)
	put(1, -1)
	settle(1)
	p.mu.Lock()
	p.reached.Seq = 1000
	p.mu.Unlock()
	put(2, 1)
	settle(0)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.places) != 1 || l.marks[0] != 0 || l.places[0].Seq != 0 {
		t.Errorf("marks %v with places %v; want mark 0 and the place when event 1 was put", l.marks, l.places)
	}
}

func TestAPlaceOfAnotherLifeOfTheStreamIsNotTakenOver(t *testing.T) {
	n := open(t, newConfig(t))
	var l places
	p := openPipeline(t, n, l.config(64))
	put := func(from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			if err := p.Put(t.Context(), numberedEvent("user.ann", i), int64(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	put(0, 50)
	if err := n.client.JS.DeleteStream(t.Context(), event.StreamName); err != nil {
		t.Fatal(err)
	}
	if _, err := n.State(t.Context()); err != nil { // it is made anew
		t.Fatal(err)
	}
	l.mu.Lock()
	l.marks, l.places = nil, nil
	l.mu.Unlock()
	put(50, 60)
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, at := range l.places {
		if at.Stream != n.StreamID() || at.Seq > 10 {
			t.Errorf("mark %d has place %v; the stream begins anew with %x", l.marks[i], at, n.StreamID())
		}
	}
}

func TestTicksMoveThePlaceOn(t *testing.T) {
	n := open(t, newConfig(t))
	if at := n.Place(); at.IsZero() || at.Seq != 0 {
		t.Fatalf("at first the place is %v", at)
	}
	deadline := time.Now().Add(time.Minute)
	for n.Place().Seq < 3 {
		if time.Now().After(deadline) {
			t.Fatalf("the place is %v", n.Place())
		}
		if err := n.Tick("", nil); err != nil && err != api.ErrIsolated {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}
