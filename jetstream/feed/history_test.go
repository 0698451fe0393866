package feed

import (
	"context"
	"fmt"
	"testing"

	"weft/jetstream/event"
	"weft/jetstream/store"
	"weft/jetstream/subject"
)

// A storedList is a store that holds the messages it lists, in order.
type storedList struct {
	silentStore
	messages []event.Stored
}

func (l *storedList) add(of string, n int) {
	for range n {
		l.messages = append(l.messages, event.Stored{Subject: of, Seq: uint64(len(l.messages) + 1)})
	}
}

func (l *storedList) Read(_ context.Context, of string, from uint64, limit, _ int) (b store.Batch, _ error) {
	for _, m := range l.messages[min(from-1, uint64(len(l.messages))):] {
		switch {
		case of != m.Subject && !subject.Match(of, m.Subject):
		case len(b.Messages) < limit:
			b.Messages = append(b.Messages, m)
		default:
			b.Pending++
		}
	}
	return b, nil
}

// A wildcard's history that begins at a time has lost nothing that was there then as long as no
// subject has got as many as remove what it had: however many subjects have got none.
func TestAHistoryThatBeginsAtATimeCountsOnlyWhatIsStoredAfterIt(t *testing.T) {
	t.Parallel()
	const limit, after = 4, 100
	l := &storedList{}
	l.add("topic.gone", after)
	for i := range maxCounted + 100 {
		l.messages = append(l.messages, event.Stored{Subject: fmt.Sprint("topic.", i), Seq: uint64(len(l.messages) + 1)})
	}
	l.add("topic.full", limit)
	l.add("topic.half", limit-2)
	h := &Hub{store: l}
	c := &counts{began: uint64(len(l.messages))}
	complete := func(what string, want bool) {
		t.Helper()
		if got, err := c.extend(t.Context(), h, "topic.*", after, limit); err != nil || got != want {
			t.Errorf("%s: complete is %v, %v", what, got, err)
		}
	}
	complete("nothing is new", true)
	l.add("topic.half", 1)
	complete("one more of a subject that has room", true)
	l.add("topic.new", limit-1)
	complete("a new subject", true)
	l.add("topic.full", 1)
	complete("one more of a full subject", false)
}
