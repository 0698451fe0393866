package jetstream

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"weft/internal/testlog"
	"weft/jetstream/event"
)

// Events that go before their time are counted, and told once.
func TestAStreamThatIsFullIsToldAndCounted(t *testing.T) {
	cfg := testConfig(t)
	cfg.Events.MaxBytes = 8 << 20
	var log testlog.Record
	reg := prometheus.NewRegistry()
	n := New(cfg, testlog.And(t, &log), reg)
	t.Cleanup(func() { n.Close() })
	if err := n.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	publish := func(from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			if _, err := n.Publish(t.Context(), event.Event{Subject: fmt.Sprintf("user.u%d", i), Data: make([]byte, 512<<10)}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := n.State(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	publish(0, 10)
	if got := counted(t, reg, "weft_jetstream_stream_pushed_out_total"); got != 0 {
		t.Errorf("%v are counted while there is room", got)
	}
	publish(10, 20)
	publish(20, 30)
	if got := counted(t, reg, "weft_jetstream_stream_pushed_out_total"); got != 15 {
		t.Errorf("%v are counted, of 30 with room for 15", got)
	}
	if n := strings.Count(strings.Join(log.Lines(), "\n"), "the stream is full"); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// The limits can be raised node by node.
func TestANodeWithGreaterLimitsIsNotRefusedByTheOthers(t *testing.T) {
	t.Parallel()
	configs := clusterConfigs(t, 3, 3)
	for i := range configs {
		configs[i].Events.MaxBytes = 8 << 20
	}
	nodes := openCluster(t, configs)
	nodes[0].Close()
	configs[0].Events.MaxBytes = 16 << 30
	again := openCluster(t, configs[:1])[0]
	waitFor(t, func() bool { return again.Ready() == nil })
	for _, n := range []*Node{again, nodes[1], nodes[2]} {
		info, err := n.js.Stream(t.Context(), event.StreamName)
		if err != nil || info.CachedInfo().Config.MaxBytes != 16<<30 {
			t.Errorf("%s: %v, %v", n.Name(), info, err)
		}
	}
	if _, err := nodes[1].Publish(t.Context(), event.Event{Subject: "user.ann"}); err != nil {
		t.Error(err)
	}
}

// counted is the value of a counter without labels.
func counted(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}
