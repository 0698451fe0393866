package session

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/auth"
	"weft/edge/wire"
	"weft/jetstream/feed"
	"weft/jetstream/presence"
)

// watched tells of subjects as the test says.
type watched struct {
	mu    sync.Mutex
	begun []string
	told  map[string]func(presence.State)
}

func (w *watched) follow(subject string, devices bool, told func(presence.State)) func() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.told == nil {
		w.told = make(map[string]func(presence.State))
	}
	w.begun = append(w.begun, fmt.Sprintf("%s: %v", subject, devices))
	w.told[subject] = told
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.told, subject)
	}
}

func (w *watched) say(subject string, connections int) {
	w.mu.Lock()
	told := w.told[subject]
	w.mu.Unlock()
	if told != nil {
		told(presence.State{Connections: connections, Complete: true})
	}
}

func newWatching(q Outbox, w *watched, asked ...string) *Session {
	s := New(Config{Identity: &auth.Identity{User: "ann"}, Asked: asked, Outbox: q, Delivered: func() {}})
	s.Attach(&reader{}, w.follow)
	return s
}

func taken(q *pumped) string {
	frames, _ := q.Take()
	return string(bytes.Join(frames, nil))
}

func TestASlowClientFindsTheLastStateOfEachSubjectOnly(t *testing.T) {
	q, w := testQueue(1<<10), &watched{}
	defer newWatching(q, w, "presence.bob", "presence.topic.hotel.42").Detach()
	for n := range 1000 {
		w.say("user.bob", n)
		w.say("topic.hotel.42", n)
	}
	if got := taken(q); strings.Count(got, "weft.presence") != 2 ||
		!strings.Contains(got, `{"user":"bob","online":true,"connections":999}`) || !strings.Contains(got, `{"topic":"hotel.42","online":true,"connections":999}`) {
		t.Errorf("told %q", got)
	}
	w.say("user.bob", 1) // while what was taken is being written
	w.say("user.bob", 0)
	q.Wrote()
	if got := taken(q); strings.Count(got, "weft.presence") != 1 || !strings.Contains(got, `{"user":"bob","online":false,"connections":0}`) {
		t.Errorf("told %q", got)
	}
}

func TestAStateThatFindsNoRoomEndsNothingAndIsToldLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, w := testQueue(100), &watched{}
		s := newWatching(q, w, "presence.bob")
		defer s.Detach()
		q.Event(message(1, 5000), "")
		w.say("user.bob", 1)
		w.say("user.bob", 2)
		time.Sleep(2 * retryPresence)
		if s.Ended() || strings.Contains(taken(q), "weft.presence") {
			t.Fatal("it was told, or ended the session")
		}
		q.Wrote()
		time.Sleep(2 * retryPresence)
		if got := taken(q); strings.Count(got, "weft.presence") != 1 || !strings.Contains(got, `"connections":2`) {
			t.Errorf("told %q", got)
		}
	})
}

func TestNothingIsToldOfWhatIsNotFollowedAnyMore(t *testing.T) {
	q, w := testQueue(1<<10), &watched{}
	s := newWatching(q, w, "presence.bob", "presence.eve")
	late := w.told["user.bob"]
	s.followPresence([]string{"presence.eve"}, w.follow)
	late(presence.State{Connections: 1})
	if got := taken(q); got != "" || len(w.told) != 1 {
		t.Errorf("told %q, and follows %d", got, len(w.told))
	}
	held := s.presence // as a change holds it that is being made
	s.Detach()
	held.set([]string{"presence.eve"}, false)
	if len(w.told) != 0 || s.Presence() != nil {
		t.Error("something is followed after the end")
	}
	s.followPresence([]string{"presence.eve"}, w.follow)
	if len(w.told) != 0 {
		t.Error("something is followed that begins after the end")
	}
}

// A session may be let go of while it begins to follow.
func TestAWatchThatBeginsAtTheEndIsStopped(t *testing.T) {
	q, w := testQueue(1<<10), &watched{}
	s := New(Config{Identity: &auth.Identity{}, Asked: []string{"presence.bob", "presence.eve"}, Outbox: q})
	s.Attach(&reader{}, func(subject string, devices bool, told func(presence.State)) func() {
		stop := w.follow(subject, devices, told)
		s.Detach()
		return stop
	})
	if len(w.told) != 0 {
		t.Errorf("%d are followed", len(w.told))
	}
}

func TestATokenThatShowsDevicesHasThemShown(t *testing.T) {
	cfg := auth.Default()
	cfg.Mode, cfg.Allow = auth.ModeNone, []string{"presence.*", "presence.devices"}
	verifier, err := auth.New(cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	seeing, err := verifier.Trusted("ann")
	if err != nil {
		t.Fatal(err)
	}
	q, w := testQueue(1<<10), &watched{}
	s := newWatching(q, w, "presence.bob")
	defer s.Detach()
	s.mu.Lock()
	s.identity = seeing
	s.mu.Unlock()
	for range 2 {
		s.followPresence([]string{"presence.bob"}, w.follow)
	}
	if got := strings.Join(w.begun, " "); got != "user.bob: false user.bob: true" {
		t.Errorf("followed %s", got)
	}
}

func TestDevicesInAFrameAreBounded(t *testing.T) {
	st := presence.State{Connections: 1000, Complete: true}
	for n := range 1000 {
		st.Devices = append(st.Devices, presence.Device{ID: fmt.Sprint(n), Agent: strings.Repeat("\x01", maxAgent), Name: strings.Repeat("é", 32)})
	}
	data := spellState("presence.bob", st, true)
	var got struct {
		Connections int
		Devices     []presence.Device
	}
	if err := json.Unmarshal(data, &got); err != nil || got.Connections != 1000 || len(got.Devices) == 0 || len(got.Devices) > maxDevices || len(data) > maxDeviceBytes+200 {
		t.Errorf("%d devices in %d bytes, %v", len(got.Devices), len(data), err)
	}
	if got := string(spellState("presence.bob", st, false)); got != `{"user":"bob","online":true,"connections":1000}` {
		t.Errorf("without devices: %s", got)
	}
	if got := string(spellState("presence.topic.a=20b.c", presence.State{}, true)); got != `{"topic":"a=20b.c","online":false,"connections":0,"complete":false}` {
		t.Errorf("incomplete: %s", got)
	}
}

func anything(context.Context, *auth.Identity, string) error { return nil }

// topics are a node's followers of one topic.
type topics map[string][]feed.Receiver

func (t topics) Followers(topic string) int { return len(t[topic]) }

func (t topics) Receivers(topic string, limit int) []feed.Receiver {
	return t[topic][:min(limit, len(t[topic]))]
}

func TestANodeTellsOfItsOwnConnections(t *testing.T) {
	r := NewRegistry()
	one, two := newTestSession("ann", "t1", time.Time{}), newTestSession("ann", "t2", time.Time{})
	one.about.Device, one.about.Address = new("phone"), "192.0.2.1"
	visitor := newTestSession("", "", time.Time{})
	for _, s := range []testSession{one, two, visitor} {
		r.Add(s.Session)
	}
	l := &Local{Registry: r, Topics: topics{"topic.hotel.42": {visitor.Receiver(), two.Receiver()}}}
	for s, want := range map[string]int{"user.ann": 2, "user.bob": 0, "user.": 0, "topic.hotel.42": 2, "topic.hotel.4": 0} {
		if got, devices := l.Connections(s), l.Devices(s); got != want || len(devices) != want {
			t.Errorf("%s has %d connections, and tells of %d, want %d", s, got, len(devices), want)
		}
	}
	devices := l.Devices("user.ann")
	if devices[0].Name != "phone" || devices[0].ID != one.about.ID || devices[1].Name != "" {
		t.Errorf("tells %+v", devices)
	}
	if data, _ := json.Marshal(devices); bytes.Contains(data, []byte("192.0.2.1")) {
		t.Error("an address is told")
	}
	many := topics{"topic.a": nil}
	for range 3 * maxDevices {
		many["topic.a"] = append(many["topic.a"], visitor.Receiver())
	}
	if got := len((&Local{Registry: r, Topics: many}).Devices("topic.a")); got != maxDevices {
		t.Errorf("tells of %d connections", got)
	}
}

func TestPresenceCountsAmongTheSubjectsAndHasNoWildcards(t *testing.T) {
	for s, want := range map[string]string{
		"presence.bob": "", "presence.topic.hotel.42": "", "presence.b=2Eo": "",
		"presence.*": "bad_subject", "presence.topic.hotel.>": "bad_subject", "presence.": "bad_subject", "presence.a.b": "bad_subject",
		"presence.topic.": "bad_subject", "presence.é": "bad_subject", "presence.presence.x": "bad_subject", "presence": "bad_subject",
	} {
		if got := code(Check(t.Context(), &auth.Identity{}, []string{s}, anything)); string(got) != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
	var many []string
	for n := range MaxSubjects + 1 {
		many = append(many, fmt.Sprint("presence.u", n))
	}
	if got := code(Check(t.Context(), &auth.Identity{}, many, anything)); got != "bad_request" {
		t.Errorf("one more than %d: %q", MaxSubjects, got)
	}
}

func BenchmarkState(b *testing.B) {
	q := testQueue(1 << 20)
	q.spelling.Format = wire.WebSocket
	w := &watched{}
	s := newWatching(q, w, "presence.topic.hotel.42")
	defer s.Detach()
	b.ReportAllocs()
	for b.Loop() {
		w.say("topic.hotel.42", 3)
	}
}
