package store

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"weft/config/testkit/testlog"
	"weft/jetstream/event"
)

// Events that go before their time are counted, and told once.
func TestAStreamThatIsFullIsToldAndCounted(t *testing.T) {
	cfg := newConfig(t)
	cfg.limits.MaxBytes = 8 << 20
	var log testlog.Record
	cfg.log = testlog.And(t, &log)
	n := open(t, cfg)
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
	if got := counted(t, n.reg, "weft_jetstream_stream_pushed_out_total"); got != 0 {
		t.Errorf("%v are counted while there is room", got)
	}
	publish(10, 20)
	publish(20, 30)
	if got := counted(t, n.reg, "weft_jetstream_stream_pushed_out_total"); got != 15 {
		t.Errorf("%v are counted, of 30 with room for 15", got)
	}
	if n := strings.Count(strings.Join(log.Lines(), "\n"), "the stream is full"); n != 1 {
		t.Errorf("told %d times", n)
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
