package feed_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"weft/config/testkit/slow"
	"weft/jetstream"
	"weft/jetstream/event"
	"weft/jetstream/feed"
)

func TestAResyncTellsOfLostCopiesThatWereTrimmed(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *jetstream.Config) { c.Events.MaxPerSubject = 5 })
	c, _ := follow(t, h, "", "user.ann")
	publish(t, h, "user.ann", 1, 1)
	c.untilEvents(1)
	h.copies.deaf(t, "user.ann", func() { publish(t, h, "user.ann", 2, 20) })
	h.copies.interrupted("test")
	c.until("the last event or a reset", func() bool {
		return len(c.resets) > 0 || c.events[len(c.events)-1] == "user.ann 21"
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.resets) != 1 || c.resets[0].Reason != feed.ReasonTrimmed {
		t.Errorf("events %q, resets %v; want one reset", c.events, c.resets)
	}
}

func TestALostCopyDoesNotResetWhoWasQuietForLong(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *jetstream.Config) { c.Events.MaxBytes = 8 << 20 })
	c, _ := follow(t, h, "", "user.ann", "user.bob")
	publish(t, h, "user.ann", 1, 1)
	publish(t, h, "user.bob", 1, 1)
	c.untilEvents(2)
	big := event.Event{Subject: "topic.big", Data: make([]byte, 1<<20)}
	for range 10 { // all that was stored before is removed
		if _, err := h.node.Store().Publish(t.Context(), big); err != nil {
			t.Fatal(err)
		}
	}
	h.waitWatermark(t)
	h.copies.deaf(t, "user.ann", func() { publish(t, h, "user.ann", 2, 2) })
	publish(t, h, "user.ann", 4, 1) // reveals a gap
	c.untilEvents(5)
	h.copies.deaf(t, "user.bob", func() { publish(t, h, "user.bob", 2, 2) })
	h.copies.interrupted("test")
	c.untilEvents(7)
	want(t, "events", c.seen(), append(append(numbered("user.ann", 1, 1), numbered("user.bob", 1, 1)...),
		append(numbered("user.ann", 2, 4), numbered("user.bob", 2, 3)...)...))
	if len(c.resets) > 0 {
		t.Errorf("resets %v", c.resets)
	}
}

// A reader that stands still is sent no more, and what waited for it in a connection
// that is lost is read from the store.
func TestWhatWaitsForAReaderThatStandsStillIsNotLost(t *testing.T) {
	slow.Test(t, "seconds of load")
	t.Parallel()
	h := open(t, nil)
	c, _ := follow(t, h, "", "user.ann")
	follow(t, h, "", "topic.noise")
	for i := range 3 {
		h.waitWatermark(t)
		h.copies.mu.Lock() // the reader stands still
		publish(t, h, "topic.noise", 1, 50)
		publish(t, h, "user.ann", i+1, 1)
		h.copies.Reconnect()
		h.copies.mu.Unlock()
		c.untilEvents(i + 1)
	}
	want(t, "events", c.seen(), numbered("user.ann", 1, 3))
}

// A tap lets a test write into the connection of a client.
type tap struct {
	nats.InProcessConnProvider
	conn net.Conn
}

func (t *tap) InProcessConn() (conn net.Conn, err error) {
	t.conn, err = t.InProcessConnProvider.InProcessConn()
	return t.conn, err
}

// sendRaw publishes as a node, with whatever header, as what was stored before
// publishers were checked may have.
func (h *site) sendRaw(t testing.TB, subject, header, data string) {
	t.Helper()
	var raw tap
	c, err := h.node.Connect("raw", func(o *nats.Options) error {
		raw.InProcessConnProvider, o.InProcessServer = o.InProcessServer, &raw
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(raw.conn, "HPUB %s %d %d\r\n%s%s\r\n", subject, len(header), len(header)+len(data), header, data); err != nil {
		t.Fatal(err)
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
}

func TestHeadersThatCannotBeReadHarmOnlyTheirMessage(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c, r := follow(t, h, "", "user.ann")
	publish(t, h, "user.ann", 1, 1)
	c.untilEvents(1)
	r.Close()
	bad := func() { h.sendRaw(t, "user.ann", "NATS/1.0\r\nno colon\r\n\r\n", "bad") }
	bad()
	bad()
	publish(t, h, "user.ann", 2, 1)
	bad()
	c2, _ := follow(t, h, c.lastID(), "user.ann")
	c2.untilEvents(1)
	publish(t, h, "user.ann", 3, 1)
	c2.untilEvents(2)
	bad()
	h.copies.interrupted("test")
	h.waitWatermark(t)
	bad()
	publish(t, h, "user.ann", 4, 1)
	c2.untilEvents(3)
	want(t, "events", c2.seen(), numbered("user.ann", 2, 4))
	if len(c2.resets) > 0 {
		t.Errorf("resets %v", c2.resets)
	}
}

func TestAnEventThatLooksLikeAStatusDoesNotStopAWildcard(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c, _ := follow(t, h, "", "topic.>")
	for i, header := range []string{" 409 Consumer Deleted", "\r\nStatus: 409\r\nDescription: Consumer Deleted", "\r\nStatus: 404"} {
		h.sendRaw(t, "topic.a", "NATS/1.0"+header+"\r\n\r\n", "")
		publish(t, h, "topic.b", i+1, 1)
		c.until("the event after it", func() bool {
			return len(c.events) > 0 && c.events[len(c.events)-1] == fmt.Sprintf("topic.b %d", i+1)
		})
	}
}

func TestAWildcardIsToldWhenTheLimitOvertakesIt(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *jetstream.Config) { c.Events.MaxPerSubject = 5 })
	c, _ := follow(t, h, "", "topic.>")
	publish(t, h, "topic.a", 1, 300)
	h.waitReached(t, "topic.>")
	publish(t, h, "topic.a", 301, 1)
	c.until("the last event", func() bool { return len(c.events) > 0 && c.events[len(c.events)-1] == "topic.a 301" })
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.events) < 301 && len(c.resets) == 0 {
		t.Errorf("%d of 301 events and no reset", len(c.events))
	}
}

func TestAWildcardGoesOnInAStreamMadeAnew(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c, _ := follow(t, h, "", "topic.>")
	publish(t, h, "topic.a", 1, 50)
	c.untilEvents(50)
	h.deleteStream(t)
	c.until("a reset", func() bool { return len(c.resets) > 0 })
	publish(t, h, "topic.a", 51, 1)
	c.untilEvents(51)
}

func TestAReplayOfAStreamThatIsMadeAnewIsTold(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c, r := follow(t, h, "", "user.ann")
	r.Close()
	publish(t, h, "user.ann", 1, 20)
	g, _ := followGated(t, h, c.lastID(), "user.ann")
	g.let <- struct{}{}
	g.untilEvents(1)
	h.deleteStream(t)
	g.until("a reset", func() bool { return len(g.resets) > 0 })
	close(g.let)
	publish(t, h, "user.ann", 21, 1)
	g.until("the event of the new stream", func() bool { return g.events[len(g.events)-1] == "user.ann 21" })
	if len(g.resets) != 1 || g.resets[0].Reason != feed.ReasonRecreated {
		t.Errorf("resets %v", g.resets)
	}
}

func TestAFeedLingersSoThatAReloadCostsNothing(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	_, r := follow(t, h, "", "user.ann")
	f := h.Feed("user.ann")
	r.Close()
	c, r := follow(t, h, "", "user.ann")
	if h.Feed("user.ann") != f || !h.node.Presence().Interest("user.ann") {
		t.Error("the feed did not wait for its reader")
	}
	publish(t, h, "user.ann", 1, 1)
	c.untilEvents(1)
	r.Close()
	h.LingerNoMore("user.ann")
	deadline := time.Now().Add(patience)
	for h.Feed("user.ann") != nil || h.node.Presence().Interest("user.ann") {
		if time.Now().After(deadline) {
			t.Fatal("a feed without readers does not end")
		}
		time.Sleep(5 * time.Millisecond)
	}
	publish(t, h, "user.ann", 2, 2)
	c2, _ := follow(t, h, c.lastID(), "user.ann")
	c2.untilEvents(2)
	publish(t, h, "user.ann", 4, 1)
	c2.untilEvents(3)
	want(t, "events", c2.seen(), numbered("user.ann", 2, 4))
}
