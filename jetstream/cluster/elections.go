package cluster

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream/kv"
	"weft/jetstream/server"
)

// elections shows how often the members of each group elected. It asks the server at each
// scrape: what is counted while nobody looks is not lost, since terms are kept.
type elections struct {
	server     *server.Server
	standalone bool
	desc       *prometheus.Desc
}

func newElections(srv *server.Server, standalone bool) elections {
	return elections{srv, standalone, prometheus.NewDesc("weft_jetstream_elections_total",
		"Elections that were begun in the group since it was made, as this node knows: handovers before a planned stop are among them, and those that nobody won. Each node has the same number; a standalone node has 0.",
		[]string{"group"}, nil)}
}

// Describe implements prometheus.Collector.
func (e elections) Describe(descs chan<- *prometheus.Desc) { descs <- e.desc }

// Collect implements prometheus.Collector. A group of which nothing is known yet has no
// series: one that began at 0 with every start would seem to have elected all over again.
func (e elections) Collect(metrics chan<- prometheus.Metric) {
	terms := server.ElectionsOf(e.server)
	for _, name := range groupNames {
		term, known := terms[streamOf(name)]
		if known || e.standalone {
			metrics <- prometheus.MustNewConstMetric(e.desc, prometheus.CounterValue, float64(term), name)
		}
	}
}

// streamOf is the name that the server has for a group.
func streamOf(group string) string {
	switch {
	case group == GroupMeta:
		return server.MetaGroup
	case group == kv.Nodes || slices.Contains(kv.Operated, group):
		return kv.Stream(group)
	}
	return group
}
