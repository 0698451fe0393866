package cluster_test

import (
	"slices"
	"testing"

	"weft/config/testkit/waitfor"
	"weft/jetstream/server"
)

// What a Raft group of the server was like when it ended is found, so that the log of a copy
// is dropped that is as it was seen, and not that of one that has followed a leader since.
func TestACopyThatHasFollowedSinceItWasSeenKeepsItsLog(t *testing.T) {
	t.Parallel()
	nodes := open(t, three(t)...)
	leads := func(n *member) bool {
		state, err := n.store.State(t.Context())
		return err == nil && state.Leader == n.name()
	}
	waitfor.True(t, func() bool { return slices.ContainsFunc(nodes, leads) })
	at := slices.IndexFunc(nodes, leads)
	leader, other := nodes[at], nodes[(at+1)%len(nodes)]
	ledBy := func(n *member) (led []string) {
		for _, c := range server.CopiesOf(n.srv) {
			if c.Leads {
				led = append(led, c.Group)
			}
		}
		return led
	}
	given := ledBy(leader)
	copies := server.CopiesOf(other.srv)
	if err := leader.HandOver(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitfor.True(t, func() bool {
		return !slices.ContainsFunc(server.CopiesOf(other.srv), func(c server.Copy) bool { return !c.Agrees })
	})
	now := server.CopiesOf(leader.srv)
	leader.close()
	if dropped := slices.ContainsFunc(now, func(c server.Copy) bool {
		err := server.DropLogs(leader.srv, []server.Copy{c})
		t.Logf("%s: %v", c.Group, err)
		return err == nil
	}); !dropped {
		t.Error("no copy's log was dropped, though all are as they were seen")
	}
	other.close()
	for _, c := range copies {
		err := server.DropLogs(other.srv, []server.Copy{c})
		if slices.Contains(given, c.Group) && err == nil {
			t.Errorf("%s: a log was dropped that has an entry of a new leader", c.Group)
		}
	}
}
