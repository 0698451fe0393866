package cluster

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// groupsEvery is how often a node of a cluster looks who leads and whether the
// copies are current, for the metrics.
const groupsEvery = 5 * time.Second

type metrics struct {
	leader  *prometheus.GaugeVec
	lagging *prometheus.GaugeVec
}

// newMetrics registers the metrics; links counts the links that there are and that there
// should be.
func newMetrics(reg prometheus.Registerer, links func() (up, all int)) *metrics {
	vector := func(name, help string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "weft_jetstream_" + name, Help: help}, []string{"group"})
		reg.MustRegister(g)
		return g
	}
	show := func(name, help string, value func() int) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "weft_jetstream_" + name, Help: help}, func() float64 { return float64(value()) }))
	}
	show("links", "Other nodes that this one is linked to.", func() int { up, _ := links(); return up })
	show("links_expected", "Other nodes that this one should be linked to.", func() int { _, all := links(); return all })
	m := &metrics{
		leader:  vector("leader", "1 while this node leads the group: the cluster (meta), the stream or a bucket. A standalone node leads all."),
		lagging: vector("lagging_copies", "Copies on other nodes that are away or not current, of a group that this node leads; else 0."),
	}
	for _, name := range groupNames {
		m.leader.WithLabelValues(name)
		m.lagging.WithLabelValues(name)
	}
	return m
}

// watchGroups keeps the metrics of the groups true until ctx ends. A standalone
// node leads what it has.
func (c *Cluster) watchGroups(ctx context.Context) {
	if c.p.Cluster == nil {
		for _, name := range groupNames {
			c.metrics.leader.WithLabelValues(name).Set(1)
		}
		return
	}
	t := time.NewTicker(groupsEvery)
	defer t.Stop()
	for {
		c.metrics.groups(c.p.Name, c.Groups(ctx))
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// groups shows the groups as they were found. Of one that was not found, or that
// another node leads, there is nothing to say here.
func (m *metrics) groups(self string, found []Group) {
	leads, lags := map[string]float64{}, map[string]float64{}
	for _, g := range found {
		if g.Leader != self {
			continue
		}
		leads[g.Name] = 1
		for _, r := range g.Replicas {
			if !r.Current {
				lags[g.Name]++
			}
		}
	}
	for _, name := range groupNames {
		m.leader.WithLabelValues(name).Set(leads[name])
		m.lagging.WithLabelValues(name).Set(lags[name])
	}
}
