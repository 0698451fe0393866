package kafka_test

import (
	"context"
	"encoding/json"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"

	"weft/bridge"
	"weft/bridge/target"
	"weft/config/testkit/standstill"
	"weft/edge/route"
)

// openLog is a target that logs requests to a topic. stop waits until it has ended.
func openLog(t testing.TB, brokers []string) (k *target.Kafka, r *running, stop func()) {
	t.Helper()
	cfg := bridge.Default().Kafka
	cfg.Brokers = brokers
	log, _ := newLog(t)
	reg := prometheus.NewRegistry()
	k, err := target.New(cfg, newReplies(), log, reg)
	if err != nil {
		t.Fatal(err)
	}
	k.LogTo("requests", "/weft/n1")
	if err := k.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	return k, &running{reg: reg}, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestRequestsAreLoggedToATopic(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "requests"))
	k, r, stop := openLog(t, b.ListenAddrs())
	began := time.Now().UTC()
	for range 100 {
		k.Log(&route.Record{Began: began, Route: "orders", Method: "POST", Path: "/orders?a", Status: 202, Bytes: 7,
			Duration: 1500 * time.Millisecond, User: "ann", RequestID: "q", Outcome: "2xx"})
	}
	stop() // what was logged before the end is written
	if n := r.metric(t, "weft_route_log_records_total", "result", "written"); n != 100 {
		t.Errorf("%v are written", n)
	}
	all := recordsOf(t, b, "requests")
	if len(all) != 100 {
		t.Fatalf("%d records", len(all))
	}
	var got route.Record
	if err := json.Unmarshal(all[0].Value, &got); err != nil || got.Seconds != 1.5 || got.Route != "orders" || got.User != "ann" || got.Path != "/orders?a" {
		t.Errorf("%s: %v", all[0].Value, err)
	}
	h := headersOf(all[0])
	for _, want := range []string{"content-type=application/json", "ce_specversion=1.0", "ce_type=weft.request", "ce_source=/weft/n1", "ce_time=" + began.Format(time.RFC3339Nano)} {
		if !slices.Contains(h, want) {
			t.Errorf("%q lacks %q", h, want)
		}
	}
	if slices.Equal(headersOf(all[1]), h) {
		t.Error("two events have one id")
	}
}

func TestALogThatKafkaDoesNotTakeIsCountedAndBlocksNothing(t *testing.T) {
	k, r, stop := openLog(t, []string{net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t)))})
	defer stop()
	const n = 20_000
	watch, began := standstill.Begin(t), time.Now()
	for range n {
		k.Log(&route.Record{Route: "orders"})
	}
	if took := time.Since(began) - watch.Lost(); took > 5*time.Second {
		t.Errorf("logging took %v", took)
	}
	eventually(t, "all are counted", func() bool {
		return r.metric(t, "weft_route_log_records_total", "result", "lost") == n
	})
}
