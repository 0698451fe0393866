package cluster

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/config/testkit/testlog"
)

func TestClocksThatAreFarApartAreToldOnce(t *testing.T) {
	var log testlog.Record
	c := newClocks("n1", nil, testlog.And(t, &log), prometheus.NewRegistry())
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
