package jetstream

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"weft/jetstream/event"
	"weft/jetstream/kv"
)

func gauge(t *testing.T, v *prometheus.GaugeVec, label string) float64 {
	t.Helper()
	var m dto.Metric
	if err := v.WithLabelValues(label).Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.Gauge.GetValue()
}

func TestEachGroupHasOneLeaderInTheMetricsWhichSeesTheCopiesThatAreAway(t *testing.T) {
	t.Parallel()
	nodes := openCluster(t, clusterConfigs(t, 3, 3))
	sum := func(of func(*Node) float64) (n float64) {
		for _, node := range nodes {
			n += of(node)
		}
		return n
	}
	led := func(group string) bool {
		return sum(func(n *Node) float64 { return gauge(t, n.metrics.leader, group) }) == 1
	}
	lagging := func(group string) float64 {
		return sum(func(n *Node) float64 { return gauge(t, n.metrics.lagging, group) })
	}
	waitFor(t, func() bool { return led(GroupMeta) && led(event.StreamName) && led(kv.Blacklist) })
	waitFor(t, func() bool { return lagging(GroupMeta)+lagging(event.StreamName)+lagging(kv.Blacklist) == 0 })
	waitFor(t, func() bool { up, all := nodes[0].links(); return up == 2 && all == 2 })

	var gone *Node
	for i, n := range nodes { // one that leads neither
		if gauge(t, n.metrics.leader, event.StreamName) == 0 && gauge(t, n.metrics.leader, GroupMeta) == 0 {
			gone = n
			nodes = append(nodes[:i:i], nodes[i+1:]...)
			break
		}
	}
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { up, all := nodes[0].links(); return up == 1 && all == 2 })
	waitFor(t, func() bool {
		return led(GroupMeta) && led(event.StreamName) && lagging(GroupMeta) == 1 && lagging(event.StreamName) == 1
	})
}

func TestAStandaloneNodeLeadsWhatItHas(t *testing.T) {
	t.Parallel()
	n := open(t, testConfig(t))
	waitFor(t, func() bool { return gauge(t, n.metrics.leader, event.StreamName) == 1 })
	if up, all := n.links(); up != 0 || all != 0 {
		t.Errorf("%d links, %d expected", up, all)
	}
}
