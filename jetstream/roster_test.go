package jetstream

import (
	"slices"
	"testing"
)

func TestMembersAreKnownByNameWhileTheyAreAway(t *testing.T) {
	t.Parallel()
	configs := clusterConfigs(t, 3, 3)
	nodes := openCluster(t, configs)
	all := []string{"n1", "n2", "n3"}
	for _, n := range nodes {
		waitFor(t, func() bool { return slices.Equal(n.Cluster().Members(), all) })
	}

	nodes[2].Close()
	nodes[1].Close()
	if have := nodes[0].Cluster().Members(); !slices.Equal(have, all) {
		t.Errorf("alone: %v", have)
	}

	// One that starts has never met n3, and learns its name from its record.
	nodes[1] = open(t, configs[1])
	waitFor(t, func() bool { return slices.Equal(nodes[1].Cluster().Members(), all) })
}

func TestANodeAloneHasNoMembers(t *testing.T) {
	if have := open(t, testConfig(t)).Cluster().Members(); have != nil {
		t.Errorf("%v", have)
	}
}
