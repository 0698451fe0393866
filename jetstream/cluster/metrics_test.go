package cluster_test

import (
	"testing"

	"weft/config/testkit/waitfor"
	"weft/jetstream/api"
	"weft/jetstream/cluster"
	"weft/jetstream/event"
	"weft/jetstream/kv"
)

// groupMetric is the value of a metric that a node has of a group.
func groupMetric(t *testing.T, n *member, name, group string) float64 {
	t.Helper()
	value, ok := groupSeries(t, n, name, group)
	if !ok {
		t.Fatalf("there is no %s of %s", name, group)
	}
	return value
}

// groupSeries is that, if there is one.
func groupSeries(t *testing.T, n *member, name, group string) (value float64, ok bool) {
	t.Helper()
	families, err := n.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "weft_jetstream_"+name && m.GetLabel()[0].GetValue() == group {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue(), true
			}
		}
	}
	return 0, false
}

func TestTheMetricsOfGroupsCountElectionsOneLeaderAndTheCopiesThatAreAway(t *testing.T) {
	t.Parallel()
	nodes := open(t, three(t)...)
	sum := func(of func(*member) float64) (n float64) {
		for _, node := range nodes {
			n += of(node)
		}
		return n
	}
	led := func(group string) bool {
		return sum(func(n *member) float64 { return groupMetric(t, n, "leader", group) }) == 1
	}
	lagging := func(group string) float64 {
		return sum(func(n *member) float64 { return groupMetric(t, n, "lagging_copies", group) })
	}
	waitfor.True(t, func() bool { return led(cluster.GroupMeta) && led(event.StreamName) && led(kv.Blacklist) })
	waitfor.True(t, func() bool { return lagging(cluster.GroupMeta)+lagging(event.StreamName)+lagging(kv.Blacklist) == 0 })
	waitfor.True(t, func() bool { up, all := nodes[0].Links().Count(); return up == 2 && all == 2 })

	for _, group := range []string{cluster.GroupMeta, event.StreamName, kv.Blacklist} {
		// Who was not there when it was held learns of an election from the leader.
		waitfor.True(t, func() bool {
			first, ok := groupSeries(t, nodes[0], "elections_total", group)
			second, ok2 := groupSeries(t, nodes[1], "elections_total", group)
			return ok && ok2 && first == second && first > 0
		})
	}
	before := groupMetric(t, nodes[0], "elections_total", event.StreamName)
	if err := api.Request(t.Context(), nodes[0].client.Conn, "$JS.API.STREAM.LEADER.STEPDOWN."+event.StreamName, nil, new(api.Response)); err != nil {
		t.Fatal(err)
	}
	waitfor.True(t, func() bool { return groupMetric(t, nodes[0], "elections_total", event.StreamName) > before })
	waitfor.True(t, func() bool { return led(event.StreamName) })

	var gone *member
	for i, n := range nodes { // one that leads neither
		if groupMetric(t, n, "leader", event.StreamName) == 0 && groupMetric(t, n, "leader", cluster.GroupMeta) == 0 {
			gone = n
			nodes = append(nodes[:i:i], nodes[i+1:]...)
			break
		}
	}
	gone.close()
	waitfor.True(t, func() bool { up, all := nodes[0].Links().Count(); return up == 1 && all == 2 })
	waitfor.True(t, func() bool {
		return led(cluster.GroupMeta) && led(event.StreamName) && lagging(cluster.GroupMeta) == 1 && lagging(event.StreamName) == 1
	})
}

func TestAStandaloneNodeLeadsWhatItHas(t *testing.T) {
	t.Parallel()
	n := open(t, alone(t))[0]
	waitfor.True(t, func() bool { return groupMetric(t, n, "leader", event.StreamName) == 1 })
	if n := groupMetric(t, n, "elections_total", event.StreamName); n != 0 {
		t.Errorf("a standalone node elected %v times", n)
	}
	if up, all := n.Links().Count(); up != 0 || all != 0 {
		t.Errorf("%d links, %d expected", up, all)
	}
}
