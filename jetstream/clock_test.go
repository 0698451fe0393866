package jetstream

import (
	"strings"
	"testing"
	"time"
	"weft/internal/testlog"

	"github.com/prometheus/client_golang/prometheus"
)

func TestClocksThatAreFarApartAreToldOnce(t *testing.T) {
	var log testlog.Record
	c := newClocks("n1", testlog.And(t, &log), prometheus.NewRegistry())
	for _, skew := range []time.Duration{time.Second, -3 * time.Second, -2500 * time.Millisecond, -1500 * time.Millisecond, -2100 * time.Millisecond} {
		c.note("n2", skew)
	}
	if n := strings.Count(strings.Join(log.Lines(), "\n"), "far apart"); n != 1 {
		t.Errorf("told %d times", n)
	}
	if !log.Has("ahead=-3s") {
		t.Error("it is not told by how much")
	}
	c.note("n2", 10*time.Millisecond)
	if !log.Has("agree again") {
		t.Error("it is not told that the clocks agree again")
	}
	c.keep(nil)
	if len(c.far) != 0 {
		t.Error("a node that is gone is remembered")
	}
}

func TestNodesCompareTheirClocks(t *testing.T) {
	t.Parallel()
	nodes := openCluster(t, clusterConfigs(t, 3, 3))
	waitFor(t, func() bool {
		skew, ok := nodes[0].clockSkew(t.Context(), "n2")
		return ok && skew.Abs() < time.Second
	})
	if _, ok := nodes[0].clockSkew(t.Context(), "n9"); ok {
		t.Error("a node that is not there has a clock")
	}
}
