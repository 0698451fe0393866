package jetstream

import (
	"context"
	"time"
)

// groupsEvery is how often a node of a cluster looks who leads and whether the
// copies are current, for the metrics.
const groupsEvery = 5 * time.Second

// links are the other nodes that this one is linked to, and how many it should
// be linked to: all members of the cluster, or before that is known as many as
// cluster.size says.
func (n *Node) links() (up, all int) {
	if n.cfg.Cluster == nil {
		return 0, 0
	}
	m := &n.members
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == 0 { // it has not looked around yet
		return 0, n.cfg.Cluster.Size - 1
	}
	return m.linked - 1, m.known - 1
}

// watchGroups keeps the metrics of the groups true until ctx ends. A standalone
// node leads what it has.
func (n *Node) watchGroups(ctx context.Context) {
	if n.cfg.Cluster == nil {
		for _, name := range groupNames {
			n.metrics.leader.WithLabelValues(name).Set(1)
		}
		return
	}
	t := time.NewTicker(groupsEvery)
	defer t.Stop()
	for {
		n.metrics.groups(n.Name(), n.Groups(ctx))
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
