package transport

import (
	"testing"

	"weft/edge/wire"
	"weft/jetstream/feed"
)

func TestAPollIsToldItsResetsAndWhereAllOtherFramesOfOursLeaveIt(t *testing.T) {
	b, ready := &pollBuffer{}, false
	b.await(func() { ready = true })
	b.Opened(nil, feed.Opened{ID: "c1"})
	b.CaughtUp()
	b.Control("weft.presence", "", []byte(`{"user":"ann"}`))
	b.Control("weft.presence", "c2", []byte(`{"user":"ann"}`))
	if ready || b.got.cursor != "c2" || b.got.reset {
		t.Errorf("after frames that it has no room for: %+v, ready: %v", b.got, ready)
	}
	b.Control(wire.TypeReset, "c3", []byte(`{"reason":"x"}`))
	if got := b.take(); !ready || got.cursor != "c3" || !got.reset || len(got.resets) != 1 || string(got.resets[0]) != `{"reason":"x"}` {
		t.Errorf("after a reset: %+v, ready: %v", got, ready)
	}
	b.Control(wire.TypeReset, "c4", []byte(`{}`))
	if b.got.cursor != "c3" {
		t.Error("what comes later is left for the next poll, and was not")
	}
}
