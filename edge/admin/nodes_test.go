package admin

import (
	"slices"
	"testing"

	"weft/jetstream/cluster"
)

func TestMissingIsWhoIsAMemberAndDoesNotAnswer(t *testing.T) {
	meta := func(leader string, names ...string) []cluster.Group {
		g := cluster.Group{Name: cluster.GroupMeta, Leader: leader}
		for _, name := range names {
			g.Replicas = append(g.Replicas, cluster.Replica{Node: name})
		}
		return []cluster.Group{{Name: "EVENTS", Leader: "n1"}, g}
	}
	for name, c := range map[string]struct {
		answered, members []string
		groups            []cluster.Group
		want              []string
	}{
		"all are there":            {[]string{"n1", "n2"}, []string{"n1", "n2"}, meta("n1", "n1", "n2"), nil},
		"one runs alone":           {[]string{"n1"}, nil, nil, nil},
		"one is gone":              {[]string{"n1"}, []string{"n1", "n2"}, meta("n1", "n1", "n2"), []string{"n2"}},
		"the leader is gone":       {[]string{"n1"}, []string{"n1", "n2"}, meta(""), []string{"n2"}},
		"one was just removed":     {[]string{"n1"}, []string{"n1", "n2", "n3"}, meta("n1", "n1", "n3"), []string{"n3"}},
		"one joins":                {[]string{"n1", "n2"}, []string{"n1"}, meta("n1", "n1"), nil},
		"the own store is down":    {[]string{"n1"}, nil, meta("n2", "n1", "n2"), []string{"n2"}},
		"nobody answers the group": {[]string{"n1"}, []string{"n1", "n2"}, nil, []string{"n2"}},
	} {
		l := nodeList{Groups: c.groups}
		for _, n := range c.answered {
			l.Items = append(l.Items, node{Name: n})
		}
		l.findMissing(c.members)
		if !slices.Equal(l.Missing, c.want) {
			t.Errorf("%s: %v, want %v", name, l.Missing, c.want)
		}
	}
}
