package jetstream

import (
	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	restarts prometheus.Counter
	diskFree prometheus.Gauge
	leader   *prometheus.GaugeVec
	lagging  *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "weft_jetstream_" + name, Help: help})
		reg.MustRegister(c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "weft_jetstream_" + name, Help: help})
		reg.MustRegister(g)
		return g
	}
	vector := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "weft_jetstream_" + name, Help: help}, labels)
		reg.MustRegister(g)
		return g
	}
	m := &metrics{
		leader:   vector("leader", "1 while this node leads the group: the cluster (meta), the stream or a bucket. A standalone node leads all.", "group"),
		lagging:  vector("lagging_copies", "Copies on other nodes that are away or not current, of a group that this node leads; else 0.", "group"),
		restarts: counter("server_restarts_total", "Restarts of the embedded server because its store was stuck."),
		diskFree: gauge("disk_free_bytes", "Free space of the data folder."),
	}
	for _, name := range groupNames {
		m.leader.WithLabelValues(name)
		m.lagging.WithLabelValues(name)
	}
	return m
}

// measure shows what is read when it is asked for.
func (n *Node) measure(reg prometheus.Registerer) {
	show := func(name, help string, value func() float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "weft_jetstream_" + name, Help: help}, value))
	}
	show("links", "Other nodes that this one is linked to.", func() float64 { up, _ := n.links(); return float64(up) })
	show("links_expected", "Other nodes that this one should be linked to.", func() float64 { _, all := n.links(); return float64(all) })
	show("disk_floor_bytes", "Free space of the data folder below which events are refused (node.min_free).",
		func() float64 { return float64(n.cfg.Node.MinFree) })
}
