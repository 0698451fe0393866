package client

import (
	"slices"
	"testing"
)

// three is a cluster that is well.
func three() Nodes {
	n := Nodes{Answered: 3, Expected: 3, Known: 3, Complete: true}
	var replicas []ReplicaStatus
	for _, name := range []string{"n1", "n2", "n3"} {
		n.Items = append(n.Items, NodeStatus{Name: name, Ready: true})
		replicas = append(replicas, ReplicaStatus{Node: name, Current: true})
	}
	for _, name := range []string{"meta", "EVENTS"} {
		n.Groups = append(n.Groups, GroupStatus{Name: name, Leader: "n1", Replicas: slices.Clone(replicas)})
	}
	return n
}

func TestProblemsNameWhatIsNotWell(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Nodes)
		want   []string
	}{
		"all is well":     {func(*Nodes) {}, nil},
		"one runs alone":  {func(n *Nodes) { *n = Nodes{Items: n.Items[:1], Answered: 1, Expected: 1, Known: 1} }, nil},
		"one is behind":   {func(n *Nodes) { n.Groups[1].Replicas[2].Lag = 4 }, nil},
		"one is starting": {func(n *Nodes) { n.Items[1].Ready, n.Items[1].Reason = false, "so" }, []string{"n2 is not ready: so"}},
		"one is missing": {func(n *Nodes) {
			n.Items, n.Missing, n.Answered = n.Items[:2], []string{"n3"}, 2
			n.Groups[0].Replicas[2] = ReplicaStatus{Node: "n3", Offline: true}
			n.Groups[1].Replicas[2] = ReplicaStatus{Node: "n3", Offline: true, Lag: 9}
		}, []string{"n3 is missing"}},
		"one says nothing":   {func(n *Nodes) { n.Items, n.Answered = n.Items[:2], 2 }, []string{"only 2 of 3 nodes answered"}},
		"nobody leads":       {func(n *Nodes) { n.Groups[1] = GroupStatus{Name: "EVENTS"} }, []string{"nobody leads EVENTS"}},
		"a copy is old":      {func(n *Nodes) { n.Groups[1].Replicas[1] = ReplicaStatus{Node: "n2", Lag: 7} }, []string{"EVENTS: the copy on n2 is not current, 7 changes behind"}},
		"a copy is lacking":  {func(n *Nodes) { n.Groups[1].Replicas = n.Groups[1].Replicas[:2] }, []string{"EVENTS has 2 copies, not 3"}},
		"one is new":         {func(n *Nodes) { n.Groups[0].Replicas = n.Groups[0].Replicas[:2] }, []string{"n3 is not a member yet"}},
		"several things":     {func(n *Nodes) { n.Items[0].Ready = false; n.Groups[0].Leader = "" }, []string{"n1 is not ready: ", "nobody leads meta"}},
		"more than expected": {func(n *Nodes) { n.Known = 4 }, []string{"only 3 of 4 nodes answered"}},
	} {
		n := three()
		c.change(&n)
		if have := n.Problems(); !slices.Equal(have, c.want) {
			t.Errorf("%s: %q, want %q", name, have, c.want)
		}
	}
}
