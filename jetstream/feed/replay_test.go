package feed_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"weft/config/testkit/slow"
	"weft/jetstream"
	"weft/jetstream/feed"
)

// A gated client takes history only as it is let.
type gated struct {
	*client
	let chan struct{}
}

func (g *gated) Room(ctx context.Context) error {
	select {
	case <-g.let:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func followGated(t testing.TB, h *site, lastID string, subjects ...string) (*gated, *feed.Reader) {
	t.Helper()
	// What is still on its way to a feed that lingers would come live, not as
	// history.
	h.waitWatermark(t)
	g := &gated{newClient(t), make(chan struct{})}
	r, err := h.Follow(t.Context(), subjects, feed.Start{LastID: lastID}, g)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return g, r
}

// waitReached waits until a wildcard is beyond what is stored now.
func (h *site) waitReached(t testing.TB, pattern string) {
	t.Helper()
	h.waitWatermark(t)
	low := h.Watermark()
	deadline := time.Now().Add(patience)
	for ; h.Reached(pattern) < low; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the consumer of %s does not move", pattern)
		}
	}
}

func TestASubjectLetGoInTheMiddleOfAReplayDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c, r := follow(t, h, "", "topic.a", "topic.b")
	r.Close()
	publish(t, h, "topic.a", 1, 5)
	publish(t, h, "topic.b", 1, 5)
	g, r2 := followGated(t, h, c.lastID(), "topic.a", "topic.b")
	g.let <- struct{}{}
	g.untilEvents(1)
	r2.Unsubscribe([]string{"topic.a"})
	close(g.let)
	g.until("the end of history", func() bool { return g.caught > 0 })
	publish(t, h, "topic.b", 6, 1)
	g.untilEvents(7)
	want(t, "events", g.seen(), append([]string{"topic.a 1"}, numbered("topic.b", 1, 6)...))
}

func TestAReaderClosedInTheMiddleOfAReplayIsToldNothingMore(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c, r := follow(t, h, "", "user.ann")
	r.Close()
	publish(t, h, "user.ann", 1, 50)
	g, r2 := followGated(t, h, c.lastID(), "user.ann")
	for range 3 {
		g.let <- struct{}{}
	}
	g.untilEvents(3)
	r2.Close()
	publish(t, h, "user.ann", 51, 1)
	h.waitWatermark(t)
	want(t, "events", g.seen(), numbered("user.ann", 1, 3))
	if g.caught > 0 {
		t.Error("told of the end of a history that was cut")
	}
	c3, _ := follow(t, h, g.lastID(), "user.ann")
	c3.untilEvents(48)
	want(t, "the rest", c3.seen(), numbered("user.ann", 4, 51))
}

func TestACursorGivenInTheMiddleOfAReplaySkipsNothing(t *testing.T) {
	slow.Test(t, "seconds of load")
	t.Parallel()
	h := open(t, nil)
	c, r := follow(t, h, "", "topic.old")
	old := c.lastID()
	r.Close()
	publish(t, h, "topic.old", 1, 10)
	h.waitWatermark(t)
	g, r2 := followGated(t, h, "", "user.ann")
	publish(t, h, "user.ann", 1, 2)
	g.untilEvents(2)
	h.waitWatermark(t)
	r2.Keepalive() // its low watermark is beyond the old cursor now
	if err := r2.Subscribe(t.Context(), []string{"topic.old"}, old); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		g.let <- struct{}{}
	}
	g.untilEvents(6)
	publish(t, h, "user.ann", 3, 1)
	g.untilEvents(7)
	r2.Keepalive()
	id := g.lastID()
	r2.Close()
	publish(t, h, "topic.old", 11, 1)
	c3, _ := follow(t, h, id, "user.ann", "topic.old")
	c3.untilEvents(7)
	h.waitWatermark(t)
	want(t, "the rest", c3.seen(), numbered("topic.old", 5, 11))
	if len(c3.resets) > 0 {
		t.Errorf("resets %v", c3.resets)
	}
}

func TestWhatDoesNotFitIntoAQueueDuringAReplayIsRead(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *jetstream.Config) { c.Events.MaxPerSubject = 10_000 })
	c, r := follow(t, h, "", "user.ann")
	r.Close()
	publish(t, h, "user.ann", 1, 3)
	g, _ := followGated(t, h, c.lastID(), "user.ann")
	publish(t, h, "user.ann", 4, 3*feed.KeepCount)
	h.waitWatermark(t) // the copies have come, and did not fit
	close(g.let)
	last := 3 + 3*feed.KeepCount
	g.untilEvents(last)
	publish(t, h, "user.ann", last+1, 1)
	g.untilEvents(last + 1)
	want(t, "events", g.seen(), numbered("user.ann", 1, last+1))
}

func TestAReplayThatIsOvertakenByTheLimitIsToldOnce(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c, r := follow(t, h, "", "user.ann")
	r.Close()
	publish(t, h, "user.ann", 1, 3)
	h.waitWatermark(t) // else the feed, which lingers, might bring them live
	g, _ := followGated(t, h, c.lastID(), "user.ann")
	publish(t, h, "user.ann", 4, 500)
	h.waitWatermark(t) // else they might come live once history is read
	close(g.let)
	g.until("a reset", func() bool { return len(g.resets) > 0 })
	g.until("the end of history", func() bool { return g.caught > 0 })
	publish(t, h, "user.ann", 504, 1)
	g.until("the last event", func() bool { return g.events[len(g.events)-1] == "user.ann 504" })
	if len(g.resets) != 1 || g.resets[0].Reason != feed.ReasonTrimmed {
		t.Errorf("resets %v", g.resets)
	}
}

func TestAWildcardIsResetOnlyWhenOneOfItsSubjectsWasTrimmed(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *jetstream.Config) { c.Events.MaxPerSubject = 50 })
	c, r := follow(t, h, "", "topic.>")
	h.waitWatermark(t)
	r.Close()
	for i := range 30 {
		publish(t, h, fmt.Sprintf("topic.%d", i), 1, 49)
	}
	c2, r2 := follow(t, h, c.lastID(), "topic.>")
	c2.untilEvents(30 * 49)
	if len(c2.resets) > 0 || c2.opened.Resume != feed.ResumeExact {
		t.Errorf("nothing was trimmed: opened %+v, resets %v", c2.opened, c2.resets)
	}
	r2.Close()
	publish(t, h, "topic.0", 50, 60)
	c3, _ := follow(t, h, c.lastID(), "topic.>")
	if len(c3.resets) != 1 || c3.resets[0].Reason != feed.ReasonTrimmed || c3.opened.Resume != feed.ResumeReset {
		t.Errorf("one was trimmed: opened %+v, resets %v", c3.opened, c3.resets)
	}
	publish(t, h, "topic.1", 50, 1)
	c3.untilEvents(1)
	want(t, "after the reset", c3.seen(), numbered("topic.1", 50, 50))
}

func TestALongHistoryOfAWildcardIsReadInReasonableTime(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c, r := follow(t, h, "", "topic.>")
	r.Close()
	each := 80
	if testing.Short() {
		each = 20
	}
	for i := range 100 {
		publish(t, h, fmt.Sprintf("topic.%d", i), 1, each)
	}
	c2, _ := follow(t, h, c.lastID(), "topic.>")
	c2.untilEvents(100 * each)
	if len(c2.resets) > 0 {
		t.Errorf("resets %v", c2.resets)
	}
}

func TestASubjectAddedToAWildcardInTheMiddleOfItsReplayLosesNothing(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c, r := follow(t, h, "", "topic.>")
	h.waitWatermark(t)
	r.Close()
	publish(t, h, "topic.a", 1, 10)
	publish(t, h, "topic.b", 1, 10)
	h.waitReached(t, "topic.>")
	g, r2 := followGated(t, h, c.lastID(), "topic.>")
	for range 3 {
		g.let <- struct{}{}
	}
	g.untilEvents(3)
	if err := r2.Subscribe(t.Context(), []string{"topic.a"}, ""); err != nil {
		t.Fatal(err)
	}
	close(g.let)
	publish(t, h, "topic.a", 11, 1)
	g.untilEvents(21)
	got := g.seen()
	slices.SortStableFunc(got, func(a, b string) int { return int(a[6]) - int(b[6]) })
	want(t, "events", got, append(numbered("topic.a", 1, 11), numbered("topic.b", 1, 10)...))
}

func TestASubjectLetGoBesideAWildcardIsNotBroughtTwice(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c, r := follow(t, h, "", "topic.>")
	r.Close()
	publish(t, h, "topic.a", 1, 2)
	h.waitReached(t, "topic.>")
	g, r2 := followGated(t, h, c.lastID(), "topic.>")
	if err := r2.Subscribe(t.Context(), []string{"topic.b"}, ""); err != nil {
		t.Fatal(err)
	}
	publish(t, h, "topic.b", 1, 1)
	g.untilEvents(1)
	r2.Unsubscribe([]string{"topic.b"})
	publish(t, h, "topic.b", 2, 1)
	close(g.let)
	g.untilEvents(4)
	h.waitWatermark(t)
	want(t, "events", g.seen(), []string{"topic.b 1", "topic.a 1", "topic.a 2", "topic.b 2"})
}

func TestASubjectAskedForTwiceIsFollowedOnce(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c, r := follow(t, h, "", "user.ann", "user.ann")
	if err := r.Subscribe(t.Context(), []string{"topic.a", "topic.a", "user.ann"}, ""); err != nil {
		t.Fatal(err)
	}
	want(t, "subjects", r.Subjects(), []string{"user.ann", "topic.a"})
	publish(t, h, "topic.a", 1, 1)
	publish(t, h, "user.ann", 1, 2)
	c.untilEvents(3)
	want(t, "events", c.seen(), append(numbered("topic.a", 1, 1), numbered("user.ann", 1, 2)...))
}
