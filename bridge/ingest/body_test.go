package ingest

import (
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

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
