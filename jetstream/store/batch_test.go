package store

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/nats-io/nats.go"

	"weft/jetstream/api"
	"weft/jetstream/event"
)

// A refusingStream takes the place of a node's stream: it says no to one event
// several times, and writes down what it is sent.
type refusingStream struct {
	refused  string
	verdicts []string // one after the other; then the event is taken
	sent     [][]string
	taken    []string
}

// listen answers until the test ends. What it wrote down may be read after the
// answer to the last event.
func (s *refusingStream) listen(t *testing.T, n *testStore) {
	t.Helper()
	if err := n.client.JS.DeleteStream(t.Context(), event.StreamName); err != nil {
		t.Fatal(err)
	}
	s.sent = [][]string{nil}
	sub, err := n.client.Conn.Subscribe("user.>", func(m *nats.Msg) {
		data := string(m.Data)
		s.sent[len(s.sent)-1] = append(s.sent[len(s.sent)-1], data)
		answer := `{"stream":"EVENTS","seq":` + strconv.Itoa(len(s.taken)+1) + `}`
		if data == s.refused && len(s.verdicts) > 0 {
			answer, s.verdicts = s.verdicts[0], s.verdicts[1:]
			s.sent = append(s.sent, nil)
		} else {
			s.taken = append(s.taken, data)
		}
		if err := m.Respond([]byte(answer)); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Unsubscribe() })
	if err := n.client.Conn.Flush(); err != nil {
		t.Fatal(err)
	}
}

const tooManyRequests = `{"error":{"code":429,"err_code":10167,"description":"too many requests"},"stream":"EVENTS","seq":0}`

func numberedEvents(n int) (events []event.Event, data []string) {
	for i := range n {
		e := numberedEvent("user.ann", i)
		events, data = append(events, e), append(data, string(e.Data))
	}
	return events, data
}

func TestABatchStopsAtWhatIsNotTaken(t *testing.T) {
	n := open(t, newConfig(t))
	const at, all = 300, 1000
	s := refusingStream{refused: fmt.Sprint(at), verdicts: []string{tooManyRequests, tooManyRequests, tooManyRequests}}
	s.listen(t, n)
	events, data := numberedEvents(all)
	acks, errs := n.PublishAll(t.Context(), events)
	for i, err := range errs {
		if err != nil || acks[i].Seq == 0 || acks[i].Cursor != n.CursorAt(acks[i].Seq) {
			t.Fatalf("event %d: %+v, %v", i, acks[i], err)
		}
	}
	// What was in flight came before the second try, then the event comes alone
	// until it is taken.
	if early := len(s.sent[1]) - 1; early >= publishWindow {
		t.Errorf("%d events were sent between the first refusal and the next try", early)
	}
	if again := s.sent[2]; !slices.Equal(again, []string{s.refused}) {
		t.Errorf("sent again: %d events, %.5q, want %s alone", len(again), again, s.refused)
	}
	rest := s.sent[3]
	if want := data[all-len(rest)+1:]; rest[0] != s.refused || !slices.Equal(rest[1:], want) {
		t.Errorf("after it: %d events, %.5q", len(rest), rest)
	}
	slices.SortFunc(s.taken, func(a, b string) int { return slices.Index(data, a) - slices.Index(data, b) })
	if !slices.Equal(s.taken, data) {
		t.Errorf("%d events taken, want each of %d once", len(s.taken), all)
	}
}

func TestABatchGoesOnAfterWhatIsRefusedForGood(t *testing.T) {
	n := open(t, newConfig(t))
	s := refusingStream{refused: "3", verdicts: []string{`{"error":{"code":400,"err_code":10054},"stream":"EVENTS","seq":0}`}}
	s.listen(t, n)
	events, data := numberedEvents(10)
	_, errs := n.PublishAll(t.Context(), events)
	for i, err := range errs {
		if (i == 3) != errors.Is(err, api.ErrRefused) || i != 3 && err != nil {
			t.Errorf("event %d: %v", i, err)
		}
	}
	if want := slices.Delete(slices.Clone(data), 3, 4); !slices.Equal(s.taken, want) {
		t.Errorf("taken %q, want %q", s.taken, want)
	}
}

func TestWhatWasNotSentIsSentThoughItHasNoID(t *testing.T) {
	n := open(t, newConfig(t))
	s := refusingStream{refused: "0", verdicts: []string{tooManyRequests}}
	s.listen(t, n)
	events, data := numberedEvents(publishWindow + 50)
	for i := range events {
		events[i].ID = event.MsgID{}
	}
	_, errs := n.PublishAll(t.Context(), events)
	for i, err := range errs {
		if (i == 0) != errors.Is(err, api.ErrUnavailable) || i > 0 && err != nil {
			t.Errorf("event %d: %v", i, err)
		}
	}
	if !slices.Equal(s.taken, data[1:]) {
		t.Errorf("taken %d, want %d, each once and in order", len(s.taken), len(data)-1)
	}
}
