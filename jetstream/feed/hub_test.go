package feed_test

import (
	"fmt"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"weft/jetstream"
	"weft/jetstream/event"
	"weft/jetstream/feed"
)

// A server that is stopped while it makes the store of a copy leaves two goroutines
// of that store behind, in nats-server 2.15.2.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.(*fileStore).flushStreamStateLoop"),
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/ats.Register.func1"))
}

func TestANewConnectionGetsWhatComesAfterIt(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	publish(t, h, "user.ann", 1, 3)
	c, _ := follow(t, h, "", "user.ann")
	if c.opened.Resume != feed.ResumeNew || c.opened.ID == "" {
		t.Errorf("opened %+v", c.opened)
	}
	publish(t, h, "user.bob", 1, 3)
	publish(t, h, "user.ann", 4, 3)
	c.untilEvents(3)
	want(t, "events", c.seen(), numbered("user.ann", 4, 6))
}

func TestAReturningConnectionGetsExactlyWhatItMissed(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c, r := follow(t, h, "", "user.ann")
	publish(t, h, "user.ann", 1, 5)
	c.untilEvents(5)
	r.Close()
	publish(t, h, "user.ann", 6, 70)
	c2, r2 := follow(t, h, c.lastID(), "user.ann")
	if c2.opened.Resume != feed.ResumeExact || c2.opened.ID != c.lastID() {
		t.Errorf("opened %+v", c2.opened)
	}
	publish(t, h, "user.ann", 76, 5)
	c2.untilEvents(75)
	want(t, "missed", c2.seen(), numbered("user.ann", 6, 80))
	r2.Close()
	c3, _ := follow(t, h, c2.lastID(), "user.ann")
	c3.until("the end of history", func() bool { return c3.caught > 0 })
	want(t, "nothing new", c3.seen(), nil)
}

func TestAnUnusedCursorOfANewConnectionMissesNothing(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c, r := follow(t, h, "", "user.ann")
	r.Close()
	publish(t, h, "user.ann", 1, 3)
	c2, _ := follow(t, h, c.lastID(), "user.ann")
	c2.untilEvents(3)
	want(t, "missed", c2.seen(), numbered("user.ann", 1, 3))
	if len(c2.resets) > 0 {
		t.Errorf("resets %v", c2.resets)
	}
}

func TestHistoryThatIsGoneGivesOneReset(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c, r := follow(t, h, "", "user.ann")
	publish(t, h, "user.ann", 1, 1)
	c.untilEvents(1)
	r.Close()
	publish(t, h, "user.ann", 2, 150)
	h.waitWatermark(t) // else the feed, which lingers, might bring them live
	c2, r2 := follow(t, h, c.lastID(), "user.ann")
	if c2.opened.Resume != feed.ResumeReset || c2.opened.ID != c.lastID() {
		t.Errorf("opened %+v: who is cut off before the reset would not be told of it", c2.opened)
	}
	place := c2.lastID() // the reset's
	publish(t, h, "user.ann", 152, 2)
	c2.untilEvents(2)
	want(t, "after the reset", c2.seen(), numbered("user.ann", 152, 153))
	if len(c2.resets) != 1 || c2.resets[0].Reason != feed.ReasonTrimmed || c2.resets[0].Subjects[0] != "user.ann" {
		t.Errorf("resets %v", c2.resets)
	}
	r2.Close()
	c3, _ := follow(t, h, place, "user.ann")
	c3.untilEvents(2)
	if len(c3.resets) != 0 {
		t.Errorf("the id of the reset is not a good cursor: %v", c3.resets)
	}
}

func TestAQuietUserIsNotResetByTheOthers(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c, r := follow(t, h, "", "user.quiet")
	publish(t, h, "user.quiet", 1, 1)
	c.untilEvents(1)
	h.waitWatermark(t)
	r.Keepalive()
	moved := c.lastID()
	r.Close()
	publish(t, h, "user.busy", 1, 3000)
	for _, id := range []string{moved, c.lastID()} {
		c2, r2 := follow(t, h, id, "user.quiet")
		if c2.opened.Resume != feed.ResumeExact {
			t.Errorf("opened %+v", c2.opened)
		}
		r2.Close()
	}
	publish(t, h, "user.quiet", 2, 99)
	c3, _ := follow(t, h, moved, "user.quiet")
	c3.untilEvents(99)
	want(t, "missed", c3.seen(), numbered("user.quiet", 2, 100))
	if len(c3.resets) > 0 {
		t.Errorf("resets %v", c3.resets)
	}
}

func TestKeepalivesMoveTheCursorOnlyWhenNothingIsAboveIt(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c, r := follow(t, h, "", "user.ann", "topic.a")
	first := c.lastID()
	publish(t, h, "topic.other", 1, 1) // the watermark rises beyond it
	h.waitWatermark(t)
	r.Keepalive()
	if c.lastID() == first {
		t.Error("an idle cursor did not move")
	}
	if _, err := h.node.Store().Publish(t.Context(), event.Event{Subject: "topic.a", Data: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	c.untilEvents(1)
	id, err := event.ParseCursor(c.lastID())
	if err != nil || id.Of("topic.a") <= id.Of("user.ann") {
		t.Errorf("cursor after an event: %+v, %v", id, err)
	}
	h.waitWatermark(t)
	r.Keepalive()
	id, err = event.ParseCursor(c.lastID())
	if err != nil || len(id.Above) != 0 {
		t.Errorf("cursor after a keep-alive: %+v, %v", id, err)
	}
}

func TestEachSubjectResumesFromItsOwnPlace(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c, r := follow(t, h, "", "user.ann", "topic.a", "topic.b")
	publish(t, h, "topic.a", 1, 3)
	publish(t, h, "user.ann", 1, 2)
	c.untilEvents(5)
	id := c.lastID()
	r.Close()
	publish(t, h, "topic.b", 1, 2)
	publish(t, h, "topic.a", 4, 1)
	publish(t, h, "user.ann", 3, 1)
	c2, _ := follow(t, h, id, "topic.b", "user.ann", "topic.a")
	c2.untilEvents(4)
	got := c2.seen()
	slices.Sort(got)
	want(t, "missed", got, []string{"topic.a 4", "topic.b 1", "topic.b 2", "user.ann 3"})
}

func TestForgedForeignAndFutureCursorsAreResets(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	publish(t, h, "user.ann", 1, 3)
	here := h.node.Store().StreamID()
	for name, c := range map[string]struct{ id, reason string }{
		"garbage": {"%%%", feed.ReasonUnknown},
		"short":   {"AQ", feed.ReasonUnknown},
		"foreign": {event.Cursor{Floor: 2}.String(), feed.ReasonRecreated},
		"future":  {event.Cursor{Stream: here, Floor: 1 << 40}.String(), feed.ReasonUnknown},
		"future entry": {event.Cursor{Stream: here, Floor: 1,
			Above: map[event.SubjectHash]uint64{event.HashSubject("user.ann"): 1 << 50}}.String(), feed.ReasonUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			cl, r := follow(t, h, c.id, "user.ann")
			if len(cl.resets) != 1 || cl.resets[0].Reason != c.reason || cl.opened.Resume != feed.ResumeReset {
				t.Fatalf("opened %+v, resets %v", cl.opened, cl.resets)
			}
			publish(t, h, "user.ann", 4, 1)
			cl.untilEvents(1)
			r.Close()
		})
	}
}

func TestLostCopiesAreFoundByTheNextEventAndByTheNextTick(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c, _ := follow(t, h, "", "user.ann")
	publish(t, h, "user.ann", 1, 1)
	c.untilEvents(1)
	h.waitWatermark(t)
	lose := func(n int) {
		h.copies.deaf(t, "user.ann", func() { publish(t, h, "user.ann", len(c.seen())+1, n) })
	}
	lose(5)
	publish(t, h, "user.ann", 7, 1)
	c.untilEvents(7)
	want(t, "after a gap", c.seen(), numbered("user.ann", 1, 7))

	lose(3)
	h.copies.interrupted("test") // as a reconnect would
	c.untilEvents(10)
	want(t, "after a disturbance", c.seen(), numbered("user.ann", 1, 10))
	if len(c.resets) > 0 {
		t.Errorf("resets %v", c.resets)
	}
}

func TestLostCopiesThatWereTrimmedAreToldToLiveConnections(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *jetstream.Config) { c.Events.MaxPerSubject = 5 })
	c, r := follow(t, h, "", "user.ann")
	publish(t, h, "user.ann", 1, 1)
	c.untilEvents(1)
	h.copies.deaf(t, "user.ann", func() { publish(t, h, "user.ann", 2, 20) })
	publish(t, h, "user.ann", 22, 1)
	c.until("a reset", func() bool { return len(c.resets) > 0 })
	publish(t, h, "user.ann", 23, 1)
	c.until("the last event", func() bool { return len(c.events) > 0 && c.events[len(c.events)-1] == "user.ann 23" })
	if len(c.resets) != 1 {
		t.Errorf("resets %v", c.resets)
	}
	r.Close()
}

func TestAWildcardBringsEveryEventOnceAndNobodyOnline(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	publish(t, h, "topic.hotel.1", 1, 1)
	c, r := follow(t, h, "", "topic.hotel.1", "topic.hotel.*", "topic.>")
	for i := range 3 {
		publish(t, h, fmt.Sprintf("topic.hotel.%d", i+1), 2, 1)
	}
	publish(t, h, "topic.other", 1, 1)
	c.untilEvents(4)
	got := c.seen()
	slices.Sort(got)
	want(t, "events", got, []string{"topic.hotel.1 2", "topic.hotel.2 2", "topic.hotel.3 2", "topic.other 1"})
	if h.node.Presence().Interest("topic.hotel.2") {
		t.Error("a wildcard makes a subject look followed")
	}
	id := c.lastID()
	r.Close()
	publish(t, h, "topic.hotel.9", 3, 2)
	c2, _ := follow(t, h, id, "topic.hotel.*")
	c2.until("history", func() bool { return len(c2.events) > 1 && c2.events[len(c2.events)-1] == "topic.hotel.9 4" })
	if len(c2.resets) > 0 {
		t.Errorf("resets %v", c2.resets)
	}
}

func TestASubscriptionMayComeLater(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c, r := follow(t, h, "", "user.ann")
	publish(t, h, "topic.a", 1, 2)
	if err := r.Subscribe(t.Context(), []string{"topic.a"}, ""); err != nil {
		t.Fatal(err)
	}
	publish(t, h, "topic.a", 3, 2)
	c.untilEvents(2)
	want(t, "events", c.seen(), numbered("topic.a", 3, 4))
	id := c.lastID()
	r.Unsubscribe([]string{"topic.a"})
	publish(t, h, "topic.a", 5, 2)
	publish(t, h, "user.ann", 1, 1)
	c.untilEvents(3)
	if err := r.Subscribe(t.Context(), []string{"topic.a"}, id); err != nil {
		t.Fatal(err)
	}
	c.untilEvents(5)
	want(t, "events", c.seen()[3:], numbered("topic.a", 5, 6))
}

func TestAForbiddenTypeIsNotShownButDoesNotHoldUp(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c, r := follow(t, h, "", "user.ann")
	h.publishRaw(t, "user.ann", map[string]string{"ce-type": "weft.close", "Nats-Sequence": "999999999", "Nats-Subject": "user.bob"}, "bad")
	h.publishRaw(t, "user.ann", map[string]string{"ce-type": "fine", "Nats-Sequence": "999999999", "Nats-Last-Sequence": "999999"}, "good")
	c.untilEvents(1)
	want(t, "events", c.seen(), []string{"user.ann good"})
	id := c.lastID()
	r.Close()
	c2, _ := follow(t, h, id, "user.ann")
	c2.until("the end of history", func() bool { return c2.caught > 0 })
	want(t, "nothing new", c2.seen(), nil)
}

func TestAStreamMadeAnewIsTold(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c, r := follow(t, h, "", "user.ann")
	publish(t, h, "user.ann", 1, 5)
	c.untilEvents(5)
	h.deleteStream(t)
	c.until("a reset", func() bool { return len(c.resets) > 0 })
	publish(t, h, "user.ann", 6, 1)
	c.untilEvents(6)
	if len(c.resets) != 1 || c.resets[0].Reason != feed.ReasonRecreated {
		t.Errorf("resets %v", c.resets)
	}
	r.Close()
}
