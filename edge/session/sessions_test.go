package session

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"weft/edge/auth"
	"weft/edge/wire"
)

// kept are sessions and what they told of.
type kept struct {
	*Sessions
	opened, closed, released int
	revoked, draining        error
}

func newKept() *kept {
	k := &kept{}
	k.Sessions = NewSessions(Params{
		Keepalive: time.Second,
		Revoked:   func(*auth.Identity) error { return k.revoked }, Draining: func() error { return k.draining },
		Opened: func(*Session) { k.opened++ }, Closed: func(*Session) { k.closed++ },
	})
	return k
}

func (k *kept) open() (*Session, error) {
	return k.Open(Config{
		About: About{ID: NewID()}, Identity: &auth.Identity{User: "ann", Session: "t1"}, Outbox: &outbox{}, Delivered: func() {},
		Release: func() { k.released++ },
	})
}

func TestASessionIsOpenedAndClosedByOneCall(t *testing.T) {
	k := newKept()
	s, err := k.open()
	if err != nil || k.Registry().Get(s.About().ID) != s || k.opened != 1 {
		t.Fatalf("opened: %v, %+v", err, k)
	}
	k.Close(s)
	k.Wait()
	if !s.Ended() || k.Registry().Len() != 0 || k.closed != 1 || k.released != 1 {
		t.Errorf("closed: %+v", k)
	}
}

func TestWhoIsRefusedAtTheLastMomentLeavesNothing(t *testing.T) {
	refused := errors.New("no")
	for name, refuse := range map[string]func(k *kept){
		"revoked":  func(k *kept) { k.revoked = refused },
		"draining": func(k *kept) { k.draining = refused },
	} {
		k := newKept()
		refuse(k)
		if s, err := k.open(); err != refused || s != nil {
			t.Errorf("%s: got %v, %v", name, s, err)
		}
		k.Wait()
		if k.Registry().Len() != 0 || k.released != 1 || k.opened+k.closed != 0 {
			t.Errorf("%s: left %+v", name, k)
		}
	}
}

func TestARefreshedTokenThatWasRevokedEndsTheSession(t *testing.T) {
	k := newKept()
	s, _ := k.open()
	defer k.Close(s)
	if err := k.Rekey(s, &auth.Identity{User: "ann", Session: "t2"}); err != nil || s.Ended() || len(k.Registry().list(byToken, "t2")) != 1 {
		t.Fatalf("rekey: %v", err)
	}
	k.revoked = errors.New("revoked")
	err := k.Rekey(s, &auth.Identity{User: "ann", Session: "t3"})
	if !errors.Is(err, k.revoked) || s.Ended() { // it is answered first
		t.Errorf("rekey: %v", err)
	}
	if EndAfter(s, err); s.Cause() != Revoked {
		t.Errorf("rekey: %v, ended by %v", err, s.Cause())
	}
}

func TestNobodyIsDismissedOnceItsContextHasEnded(t *testing.T) {
	k := newKept()
	s, _ := k.open()
	defer k.Close(s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	k.Dismiss(ctx, Draining, 0, func() bool { return true })
	if s.Ended() {
		t.Error("it was dismissed")
	}
	k.Dismiss(t.Context(), Draining, 0, func() bool { return true })
	if s.Cause() != Draining {
		t.Errorf("ended by %v", s.Cause())
	}
}

func TestAFrameOfOursIsToldInItsFormatAndMovesTheCursor(t *testing.T) {
	for format, want := range map[wire.Format]string{
		wire.SSE:       "id: c2\nevent: weft.reset\ndata: {\"reason\":\"x\"}\n\nevent: weft.presence\ndata: {\"user\":\"ann\"}\n\n",
		wire.WebSocket: "\x815" + `{"id":"c2","type":"weft.reset","data":{"reason":"x"}}` + "\x81." + `{"type":"weft.presence","data":{"user":"ann"}}`,
	} {
		q := testQueue(1 << 10)
		q.spelling.Format = format
		s := New(Config{Identity: &auth.Identity{}, Outbox: q, Delivered: func() {}})
		q.Skipped(message(1, 0), "c1")
		s.Control("weft.reset", "c2", []byte(`{"reason":"x"}`))
		s.Control("weft.presence", "", []byte(`{"user":"ann"}`))
		if q.skipped != nil {
			t.Error("the next keep-alive would move the cursor back")
		}
		frames, _ := q.Take()
		if got := string(bytes.Join(frames, nil)); got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
}

func TestWhoHasNoRoomForAFrameOfOursIsSlow(t *testing.T) {
	q := testQueue(1)
	s := New(Config{Identity: &auth.Identity{}, Outbox: q, Delivered: func() {}})
	s.Control("weft.presence", "", bytes.Repeat([]byte("1"), slack))
	s.Control("weft.presence", "", bytes.Repeat([]byte("1"), slack))
	if s.Cause() != Slow || !s.Ended() {
		t.Errorf("ended %v by %v", s.Ended(), s.Cause())
	}
}
