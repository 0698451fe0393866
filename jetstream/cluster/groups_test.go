package cluster_test

import (
	"testing"
	"weft/config/testkit/waitfor"
	"weft/jetstream/cluster"
)

func TestGroupsShowWhoLeadsAndWhoIsMissing(t *testing.T) {
	t.Parallel()
	nodes := open(t, three(t)...)
	find := func(name string) cluster.Group {
		for _, g := range nodes[0].Groups(t.Context()) {
			if g.Name == name {
				return g
			}
		}
		return cluster.Group{}
	}
	for _, name := range []string{"meta", "EVENTS", "blacklist", "routes"} {
		waitfor.True(t, func() bool {
			g := find(name)
			healthy := g.Leader != "" && len(g.Replicas) == 3
			for _, r := range g.Replicas {
				healthy = healthy && r.Current && !r.Offline && r.Lag == 0
			}
			return healthy
		})
	}
	if g := nodes[0].Group(t.Context(), "OTHER"); g != nil {
		t.Errorf("a stream that is not there: %+v", g)
	}
	nodes[2].close()
	for _, name := range []string{"meta", "EVENTS", "blacklist"} {
		waitfor.True(t, func() bool {
			g := find(name)
			return len(g.Replicas) == 3 && g.Replicas[2].Node == "n3" && g.Replicas[2].Offline && !g.Replicas[2].Current && g.Replicas[0].Current
		})
	}
}

func TestAMemberThatNobodyHasMetSinceTheStartHasItsName(t *testing.T) {
	t.Parallel()
	configs := three(t)
	nodes := open(t, configs...)
	waitfor.True(t, func() bool { return healthy(nodes[0], "n1", "n2", "n3") })
	for _, n := range nodes {
		n.close()
	}
	nodes = open(t, configs[:2]...)
	for _, name := range []string{"meta", "EVENTS"} {
		waitfor.True(t, func() bool {
			for _, g := range nodes[0].Groups(t.Context()) {
				if g.Name == name && len(g.Replicas) == 3 {
					return g.Replicas[2].Node == "n3" && g.Replicas[2].Offline
				}
			}
			return false
		})
	}
}

func TestAStandaloneNodeHasNoGroups(t *testing.T) {
	if groups := open(t, alone(t))[0].Groups(t.Context()); groups != nil {
		t.Errorf("%+v", groups)
	}
}
