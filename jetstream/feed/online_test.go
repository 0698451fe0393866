package feed_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"weft/jetstream"
	"weft/jetstream/api"
)

// The live connection of a node is made anew while events come: nothing is lost,
// and on no node does the user seem to leave.
func TestALostLiveConnectionIsMadeAnewAndNobodyLeaves(t *testing.T) {
	t.Parallel()
	const events, breaks = 200, 5
	members := openCluster(t, 3)
	h := members[0].up()
	c, r := follow(t, h, "", "user.ann")
	defer r.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	others := []*jetstream.Node{members[1].up().node, members[2].up().node}
	eventually := func(what string, ok func() bool) {
		t.Helper()
		for !ok() {
			if ctx.Err() != nil {
				t.Fatalf("not so in time: %s", what)
			}
			api.Sleep(ctx, 2*time.Millisecond)
		}
	}
	for _, n := range others {
		eventually("interest is known to "+n.Name(), func() bool { return n.Presence().Interest("user.ann") })
		eventually(n.Name()+" hears all", func() bool { _, sure := n.Presence().Online(ctx, "user.bob"); return sure })
	}
	watched := make(chan error, len(others))
	watching, stop := context.WithCancel(ctx)
	for _, n := range others {
		go func() {
			for watching.Err() == nil {
				if online, sure := n.Presence().Online(watching, "user.ann"); !online && sure {
					watched <- fmt.Errorf("%s believes that ann has left", n.Name())
					return
				}
			}
			watched <- nil
		}()
	}
	for i := range events {
		if i%(events/breaks) == 0 {
			h.copies.Reconnect()
		}
		publish(t, members[1+i%2].up(), "user.ann", i, 1)
	}
	c.untilEvents(events)
	// However long the connection takes to come back, the answer is the same.
	h.copies.leave("user.ann")
	for _, n := range others {
		eventually("the interest is gone for "+n.Name(), func() bool { return !n.Presence().Interest("user.ann") })
		eventually(n.Name()+" hears that she is online", func() bool { // who is late with the answer is not waited for
			online, sure := n.Presence().Online(ctx, "user.ann")
			if !online && sure {
				t.Errorf("without interest %s is sure that she is not online", n.Name())
			}
			return online
		})
	}
	stop()
	for range others {
		if err := <-watched; err != nil {
			t.Error(err)
		}
	}
	for i, e := range c.seen() {
		if want := fmt.Sprintf("user.ann %d", i); e != want {
			t.Fatalf("event %d is %q", i, e)
		}
	}
	if len(c.resets) != 0 {
		t.Errorf("resets %v", c.resets)
	}
}
