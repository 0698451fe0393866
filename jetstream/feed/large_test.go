package feed_test

import (
	"bytes"
	"testing"

	"weft/jetstream/event"
)

func TestAReturningConnectionGetsEventsOfAnySize(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c, r := follow(t, h, "", "topic.big")
	send := func(n int, fill byte) {
		for range n {
			e := event.Event{Subject: "topic.big", Data: bytes.Repeat([]byte{fill}, event.MaxBytes)}
			if _, err := h.node.Store().Publish(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
	}
	send(1, 'a')
	c.untilEvents(1)
	r.Close()
	send(3, 'b')
	c2, _ := follow(t, h, c.lastID(), "topic.big")
	c2.untilEvents(3)
	for _, e := range c2.seen() {
		if len(e) != len("topic.big ")+event.MaxBytes || e[len(e)-1] != 'b' {
			t.Errorf("an event of %d bytes that ends in %c", len(e), e[len(e)-1])
		}
	}
	if len(c2.resets) > 0 {
		t.Errorf("resets %v", c2.resets)
	}
}
