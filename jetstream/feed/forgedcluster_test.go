package feed_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// In a cluster copies of two leaders overlap and some are lost. Forged ones among
// them make neither silence nor a wrong order.
func TestForgedCopiesWhileTheLeaderChanges(t *testing.T) {
	t.Parallel()
	const events = 120
	members := openCluster(t, 3)
	hubs := make([]*site, len(members))
	clients := make([]*client, len(members))
	for i, m := range members {
		hubs[i] = m.up()
		clients[i], _ = follow(t, hubs[i], "", "user.bob")
	}
	aheads := []uint64{0, 1, 2, 7, 60, 3000, 1 << 30}
	for n := 1; n <= events; n++ {
		h := hubs[n%3]
		if n%3 == 0 {
			last := h.Highest()
			hubs[n/3%3].forge(t, forgery{seq: last + aheads[n/3%len(aheads)], previous: last * uint64(n%2)})
		}
		mustPublish(t, t.Context(), func() *site { return h }, "user.bob", n)
		if n%40 == 20 {
			h.stepDown(t)
		}
	}
	for _, c := range clients {
		c.until("the last event", func() bool { return slices.Contains(c.events, fmt.Sprintf("user.bob %d", events)) })
		c.wantOrder("user.bob")
	}
	hubs[0].until(t, "the count", func() bool { return hubs[0].counted(t)+hubs[1].counted(t)+hubs[2].counted(t) > 0 })
}

// wantOrder expects no event twice or before an earlier one, and none missing
// unless a reset was told.
func (c *client) wantOrder(subject string) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	before := 0
	for _, e := range own(c.events) {
		n, err := strconv.Atoi(strings.TrimPrefix(e, subject+" "))
		if err != nil || n <= before || n != before+1 && len(c.resets) == 0 {
			c.t.Fatalf("%q after event %d, %d resets", e, before, len(c.resets))
		}
		before = n
	}
}

// stepDown makes another node lead the stream.
func (h *site) stepDown(t testing.TB) {
	t.Helper()
	c, err := h.node.Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	h.until(t, "the leader to step down", func() bool {
		m, err := c.Request("$JS.API.STREAM.LEADER.STEPDOWN.EVENTS", nil, 5*time.Second)
		return err == nil && strings.Contains(string(m.Data), `"success":true`)
	})
}
