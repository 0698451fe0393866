package cluster_test

import (
	"slices"
	"testing"

	"weft/config/testkit/waitfor"
)

func TestMembersAreKnownByNameWhileTheyAreAway(t *testing.T) {
	t.Parallel()
	configs := three(t)
	nodes := open(t, configs...)
	all := []string{"n1", "n2", "n3"}
	for _, n := range nodes {
		waitfor.True(t, func() bool { return slices.Equal(n.Members(), all) })
	}

	nodes[2].close()
	nodes[1].close()
	if have := nodes[0].Members(); !slices.Equal(have, all) {
		t.Errorf("alone: %v", have)
	}

	// One that starts has never met n3, and learns its name from its record.
	nodes[1] = open(t, configs[1])[0]
	waitfor.True(t, func() bool { return slices.Equal(nodes[1].Members(), all) })
}

func TestANodeAloneHasNoMembers(t *testing.T) {
	if have := open(t, alone(t))[0].Members(); have != nil {
		t.Errorf("%v", have)
	}
}
