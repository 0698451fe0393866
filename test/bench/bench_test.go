// Package bench measures the whole street: the built binary in its own process, fed
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

// meter measures what a node's process uses while n events pass.
type meter struct {
	b     *testing.B
	node  *stage.Node
	cpu   time.Duration
	began time.Time
}

func startMeter(b *testing.B, n *stage.Node) *meter {
	b.Helper()
	cpu, err := n.Process().CPU()
	if err != nil {
		b.Fatal(err)
	}
	return &meter{b: b, node: n, cpu: cpu, began: time.Now()}
}

// stop reports the figures for n events, whose first moved at the given time.
func (m *meter) stop(n int, first time.Time) {
	m.b.Helper()
	took := time.Since(first)
	cpu, err := m.node.Process().CPU()
	if err != nil {
		m.b.Fatal(err)
	}
	rss, err := m.node.Process().RSS()
	if err != nil {
		m.b.Fatal(err)
	}
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
