// Package bench measures the whole road of an event: the built binary in its own process, fed
// by a real Kafka or a NATS client, with readers in this process. Run it with
//
//	make bench
//
// or one of them with
//
//	go test -run '^$' -bench KafkaToStore ./test/bench
//
// The figure to trust on a machine that others use, too, is the CPU time of Weft's
// process per event.
package bench

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"weft/test/stage"
)

func TestMain(m *testing.M) {
	code := m.Run()
	stage.RemoveBinary()
	os.Exit(code)
}

// machine describes where the figures come from.
func machine() string {
	model := "unknown CPU"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if m := regexp.MustCompile(`(?m)^model name\s*:\s*(.*)$`).FindSubmatch(info); m != nil {
			model = string(m[1])
		}
	}
	load := "?"
	if avg, err := os.ReadFile("/proc/loadavg"); err == nil {
		load, _, _ = strings.Cut(string(avg), " ")
	}
	return fmt.Sprintf("%d cores, %s, %s/%s, load %s", runtime.NumCPU(), model, runtime.GOOS, runtime.GOARCH, load)
}

// meter measures what the processes of nodes use together while n events pass.
type meter struct {
	b     *testing.B
	nodes []*stage.Node
	cpu   time.Duration
	began time.Time
}

func startMeter(b *testing.B, nodes ...*stage.Node) *meter {
	b.Helper()
	m := &meter{b: b, nodes: nodes, began: time.Now()}
	m.cpu, _ = m.used()
	return m
}

// used is the CPU time of all nodes so far, and their resident memory.
func (m *meter) used() (cpu time.Duration, resident uint64) {
	m.b.Helper()
	for _, n := range m.nodes {
		c, err := n.Process().CPU()
		if err != nil {
			m.b.Fatal(err)
		}
		r, err := n.Process().RSS()
		if err != nil {
			m.b.Fatal(err)
		}
		cpu, resident = cpu+c, resident+uint64(r)
	}
	return cpu, resident
}

// stop reports the figures for n events, whose first moved at the given time.
func (m *meter) stop(n int, first time.Time) {
	m.b.Helper()
	took := time.Since(first)
	cpu, rss := m.used()
	m.b.ReportMetric(float64(n)/took.Seconds(), "events/s")
	m.b.ReportMetric(float64((cpu-m.cpu).Microseconds())/float64(n), "cpu-µs/event")
	m.b.ReportMetric(float64(rss)/1e6, "MB-resident")
	m.b.ReportMetric(0, "ns/op") // says nothing here
}

// metric sums the series of a metric.
func metric(b *testing.B, n *stage.Node, name string) float64 {
	b.Helper()
	answer, err := http.Get(n.AdminURL() + "/metrics")
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		b.Fatal(err)
	}
	sum := 0.0
	for _, m := range regexp.MustCompile(`(?m)^`+name+`(?:\{[^}]*\})? (\S+)$`).FindAllSubmatch(body, -1) {
		v, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += v
	}
	return sum
}
