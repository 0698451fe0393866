// Package kafka_test runs the consumer of weft/bridge/kafka, by its face alone, against
// a broker in memory. It is here because the broker is a dependency of tests.
package kafka_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"weft/bridge"
	"weft/bridge/kafka"
	"weft/config/testkit/freeport"
	"weft/jetstream"
)

func TestMain(m *testing.M) {
	if records := os.Getenv(brokerVariable); records != "" {
		if err := serveBroker(records); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m,
		// sarama's metrics library keeps one goroutine for the life of a process.
		goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"))
}

// logbook is a log that can be searched.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
	t    testing.TB
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	return len(p), nil
}

func (l *logbook) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), s)
}

// newLog shows its lines when the test has failed.
func newLog(t testing.TB) (*slog.Logger, *logbook) {
	book := &logbook{t: t}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(book.text.String())
		}
	})
	return slog.New(slog.NewTextHandler(book, &slog.HandlerOptions{Level: slog.LevelDebug})), book
}

func newBroker(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	b, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100 * time.Millisecond)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func newProducer(t testing.TB, b *kfake.Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	p, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func produce(t testing.TB, p *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	if err := p.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// options are fast ones for the topic orders.
func options(b *kfake.Cluster, change ...func(*bridge.KafkaConfig)) kafka.Options {
	k := bridge.Default().Kafka
	if b != nil {
		k.Brokers = b.ListenAddrs()
	}
	k.Heartbeat = 100 * time.Millisecond
	k.Sources = []bridge.Source{{Topic: "orders", To: []string{"user.{/user}"}, Type: "order.{/state}"}}
	for _, c := range change {
		c(&k)
	}
	return kafka.Options{Kafka: k, MaxAge: 24 * time.Hour}
}

// running is a consumer at work.
type running struct {
	*kafka.Consumer
	log  *logbook
	reg  *prometheus.Registry
	stop func() // waits until it has ended
}

func start(t testing.TB, o kafka.Options, store kafka.Store) *running {
	t.Helper()
	for _, err := range (&bridge.Config{Kafka: o.Kafka, Ingest: bridge.Default().Ingest}).Check() {
		t.Fatal(err)
	}
	log, book := newLog(t)
	reg := prometheus.NewRegistry()
	c, err := kafka.New(o, store, log, reg)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	var once sync.Once
	r := &running{Consumer: c, log: book, reg: reg, stop: func() {
		once.Do(func() {
			cancel()
			began := time.Now()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("stopping took %v", took)
			}
		})
	}}
	t.Cleanup(r.stop)
	return r
}

// eventually waits for something that other goroutines bring about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(40 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// metric returns the value of a metric, its labels given as name, value, ….
func (r *running) metric(t testing.TB, name string, labels ...string) float64 {
	t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
	next:
		for _, m := range f.GetMetric() {
			for i := 0; i < len(labels); i += 2 {
				found := false
				for _, l := range m.GetLabel() {
					found = found || l.GetName() == labels[i] && l.GetValue() == labels[i+1]
				}
				if !found {
					continue next
				}
			}
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return -1
}

// committed is the group's offset of a partition, -1 without one.
func committed(b *kfake.Cluster, topic string, partition int32) int64 {
	info := b.GroupInfo("weft")
	if info == nil {
		return -1
	}
	if o, ok := info.Commits[topic][partition]; ok {
		return o.Offset
	}
	return -1
}

func freePort(t testing.TB) int {
	t.Helper()
	list, err := freeport.Addresses("127.0.0.1", 1)
	if err != nil {
		t.Fatal(err)
	}
	return int(netip.MustParseAddrPort(list[0]).Port())
}

// order is the n-th order of a user.
func order(user string, n int) *kgo.Record {
	return &kgo.Record{Topic: "orders", Key: []byte(user),
		Value: []byte(`{"user":"` + user + `","state":"paid","n":` + strconv.Itoa(n) + `}`)}
}

// openNode starts the real store.
func openNode(t testing.TB) *jetstream.Node {
	t.Helper()
	cfg := jetstream.Default()
	cfg.Node.Name, cfg.Node.DataDir, cfg.Node.Listen = "n1", t.TempDir(), "127.0.0.1:0"
	cfg.Events.MaxPerSubject = 100_000
	log, _ := newLog(t)
	n := jetstream.New(cfg, log, prometheus.NewRegistry())
	if err := n.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}
