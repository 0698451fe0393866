package transport

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"weft/jetstream/feed"
)

// A presentPoll is a poll that follows presence and whose position is known.
func presentPoll(has string, atOnce bool, subjects ...string) (*pollBuffer, *atomic.Bool) {
	b, ready := &pollBuffer{}, &atomic.Bool{}
	b.expect(subjects, has, atOnce)
	b.Opened(nil, feed.Opened{ID: "c1"})
	b.CaughtUp()
	if !b.answers() {
		b.await(func() { ready.Store(true) })
	} else {
		ready.Store(true)
	}
	return b, ready
}

const online, offline = `{"user":"bob","online":true,"connections":1}`, `{"user":"bob","online":false,"connections":0}`

// idOf is what a poll is told that finds a state.
func idOf(state string) string {
	b, _ := presentPoll("", true, "presence.bob")
	b.State("presence.bob", []byte(state), nil)
	return b.take().presenceID
}

func TestAPollIsAnsweredWhenTheStatesAreOthersThanItsClientHas(t *testing.T) {
	had := idOf(online)
	for name, c := range map[string]struct {
		has    string
		atOnce bool
		states []string
		ready  bool
	}{
		"the first poll hears the state at once":        {"", true, []string{online}, true},
		"but not before it is known":                    {"", true, nil, false},
		"who has the state waits":                       {had, false, []string{online}, false},
		"who has another one does not":                  {had, false, []string{offline}, true},
		"who has it and it changes, neither":            {had, false, []string{online, offline}, true},
		"who says nothing waits for a change":           {"", false, []string{online}, false},
		"and is told of it":                             {"", false, []string{online, offline}, true},
		"a state that is told again is no change":       {had, false, []string{online, online}, false},
		"what nobody has given stands for other states": {"x", false, []string{online}, true},
	} {
		b, ready := presentPoll(c.has, c.atOnce, "presence.bob")
		for _, s := range c.states {
			b.State("presence.bob", []byte(s), nil)
		}
		if ready.Load() != c.ready {
			t.Errorf("%s: answered %v", name, ready.Load())
		}
		if got := b.take(); len(c.states) > 0 && (string(got.presence[0]) != c.states[len(c.states)-1] || got.presenceID != idOf(c.states[len(c.states)-1])) {
			t.Errorf("%s: %s, %s", name, got.presence, got.presenceID)
		}
	}
}

func TestAPollWaitsForStatesAMomentOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, ready := presentPoll("", true, "presence.bob", "presence.eve")
		b.State("presence.bob", []byte(online), nil)
		time.Sleep(patience - time.Millisecond)
		if ready.Load() {
			t.Error("it is answered before all states are known")
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if got := b.take(); !ready.Load() || len(got.presence) != 1 || got.presenceID == "" {
			t.Errorf("%s, answered %v", got.presence, ready.Load())
		}
	})
}

// What is known of some subjects only must not answer polls again and again.
func TestAPollThatHasAllStatesIsNotAnsweredByFewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, ready := presentPoll("x", false, "presence.bob", "presence.eve")
		b.State("presence.bob", []byte(online), nil)
		time.Sleep(2 * patience)
		synctest.Wait()
		if ready.Load() {
			t.Error("it is answered")
		}
		b.hurry() // its time is up
		if !ready.Load() {
			t.Error("it is not answered")
		}
		b.take()
	})
}

func TestAnEventAnswersAPollThatHasTheStates(t *testing.T) {
	b, ready := presentPoll(idOf(online), false, "presence.bob")
	b.State("presence.bob", []byte(online), nil)
	b.Event(&feed.Message{Subject: "user.ann", Seq: 1, Data: []byte("1")}, "")
	if got := b.take(); !ready.Load() || len(got.events) != 1 || len(got.presence) != 1 {
		t.Errorf("answered %v: %+v", ready.Load(), got)
	}
}

func TestThePresenceIDIsTheSameInWhateverOrderStatesCome(t *testing.T) {
	one, _ := presentPoll("", true, "presence.bob", "presence.eve")
	one.State("presence.bob", []byte(online), nil)
	one.State("presence.eve", []byte(offline), nil)
	other, _ := presentPoll("", true, "presence.eve", "presence.bob")
	other.State("presence.eve", []byte(offline), nil)
	other.State("presence.bob", []byte(offline), nil)
	other.State("presence.bob", []byte(online), nil)
	swapped, _ := presentPoll("", true, "presence.eve", "presence.bob")
	swapped.State("presence.bob", []byte(offline), nil)
	swapped.State("presence.eve", []byte(online), nil)
	id := one.take().presenceID
	if got := other.take().presenceID; got != id {
		t.Errorf("%s and %s", got, id)
	}
	if swapped.take().presenceID == id {
		t.Error("other states have the same id")
	}
}
