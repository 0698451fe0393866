package ingest

import (
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"weft/bridge"
	"weft/edge/problem"
	"weft/jetstream/event"
	"weft/jetstream/store"
)

// held is what the bodies of i are charged with.
func held(i *Ingest) int64 { return int64(i.cfg.BodiesLimit) - i.budget.Free() }

// slow sends a kilobyte and then nothing until it is told that the client left.
type slow struct {
	sent    bool
	waiting chan struct{}
	left    chan struct{}
}

func (s *slow) Read(p []byte) (int, error) {
	if !s.sent {
		s.sent = true
		return copy(p, strings.Repeat("x", 1<<10)), nil
	}
	close(s.waiting)
	<-s.left
	return 0, io.ErrUnexpectedEOF
}

// Events of many short attributes are charged for what their headers take, too; those of as
// many as events have are not.
func TestManyAttributesAreChargedAndAFewAreNot(t *testing.T) {
	made := func(attributes int) string {
		doc := `{"specversion":"1.0","id":"1","source":"s","type":"t","user":"a"`
		for n := range attributes {
			doc += `,"a` + strconv.Itoa(n) + `":1`
		}
		return doc + "}"
	}
	rules, err := bridge.NewRules([]bridge.IngestRule{{Name: "r", To: []string{"user.{/user}"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{"", "?rule=r"} {
		for attributes, more := range map[int]bool{5: false, 500: true} {
			during := int64(0)
			i := New(config, rules, taken{}, prometheus.NewRegistry())
			body := "[" + made(attributes) + "," + made(attributes) + "]"
			_, err := i.Accept(t.Context(), post(query, body, "Content-Type", batchType), pub, func(string) bool { during = held(i); return true })
			if err != nil || during < int64(len(body)) || during > 4<<10+int64(len(body)) != more || held(i) != 0 {
				t.Errorf("%q, %d attributes: %v; %d bytes are held for %d, %d in the end", query, attributes, err, during, len(body), held(i))
			}
		}
		tight := config
		tight.BodiesLimit = tight.BodyLimit
		batch := "[" + made(400) + strings.Repeat(","+made(400), 99) + "]"
		_, err := New(tight, rules, taken{}, prometheus.NewRegistry()).Accept(t.Context(), post(query, batch, "Content-Type", batchType), pub, all)
		if p, ok := errors.AsType[*problem.Problem](err); !ok || p.Code != problem.Limit {
			t.Errorf("%q: beyond the budget: %v", query, err)
		}
	}
}

func TestASlowBodyHoldsWhatHasCome(t *testing.T) {
	i := New(config, nil, taken{}, prometheus.NewRegistry())
	s := &slow{waiting: make(chan struct{}), left: make(chan struct{})}
	r := httptest.NewRequest("POST", "/?user=a", s)
	r.ContentLength = int64(config.BodyLimit)
	answer := make(chan error, 1)
	go func() {
		_, err := i.Accept(t.Context(), r, pub, all)
		answer <- err
	}()
	<-s.waiting
	// What it reads at first may be less than it was sent.
	if got := held(i); got == 0 || got > 1<<10 {
		t.Errorf("%d bytes held", got)
	}
	close(s.left)
	expect(t, "left", <-answer, 400, "bad_request")
	if got := held(i); got != 0 {
		t.Errorf("%d bytes held afterwards", got)
	}
}

// busy is a store that waits.
type busy struct{ asked, proceed chan struct{} }

func (b busy) PublishAll(_ context.Context, events []event.Event) ([]store.Ack, []error) {
	b.asked <- struct{}{}
	<-b.proceed
	return make([]store.Ack, len(events)), make([]error, len(events))
}

func TestAllBodiesTogetherAreBounded(t *testing.T) {
	store := busy{make(chan struct{}), make(chan struct{})}
	i := New(config, nil, store, prometheus.NewRegistry())
	large := strings.Repeat("x", 1<<20)
	answers := make(chan error, 4)
	for range 4 { // as much as is allowed
		go func() {
			_, err := i.Accept(t.Context(), post("?user=a", large), pub, all)
			answers <- err
		}()
		<-store.asked
	}
	if got := held(i); got != 4<<20 {
		t.Errorf("%d bytes held while the store works", got)
	}
	_, err := i.Accept(t.Context(), post("?user=a", "x"), pub, all)
	expect(t, "one more", err, 429, "limit")
	close(store.proceed)
	for range 4 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	if got := held(i); got != 0 {
		t.Errorf("%d bytes held afterwards", got)
	}
	i.store = broken{errors.New("failed")}
	_, err = i.Accept(t.Context(), post("?user=a", "x"), pub, all)
	expect(t, "asked again", err, 503, "store_unavailable")
	if got := held(i); got != 0 {
		t.Errorf("%d bytes held after a failure", got)
	}
}
