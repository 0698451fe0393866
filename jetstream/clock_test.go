package jetstream

import (
	"testing"
	"time"
)

func TestNodesCompareTheirClocks(t *testing.T) {
	t.Parallel()
	nodes := openCluster(t, clusterConfigs(t, 3, 3))
	waitFor(t, func() bool {
		skew, ok := nodes[0].Cluster().Clocks().Skew(t.Context(), "n2")
		return ok && skew.Abs() < time.Second
	})
	if _, ok := nodes[0].Cluster().Clocks().Skew(t.Context(), "n9"); ok {
		t.Error("a node that is not there has a clock")
	}
}
