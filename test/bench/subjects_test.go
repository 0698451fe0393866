package bench

import (
	"bytes"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"weft/test/stage"
)

// topicBar is how many times what it costs among 100 other subjects an event may cost
// among 100,000.
const topicBar = 1.2

// BenchmarkTopicAmongSubjects is the CPU time of an event on a topic with one follower, at
// a node that follows 100 other subjects and at one that follows 100,000. The two take
// turns, so that both see the same machine, and the ratio of the medians is what counts.
// The collector of garbage is part of it: it has more to look through at the second one.
func BenchmarkTopicAmongSubjects(b *testing.B) {
	const (
		few, many = 100, 100_000
		events    = 50_000
		rounds    = 7
	)
	quiet := startTopic(b, few)
	began := time.Now()
	busy := startTopic(b, many)
	b.Logf("%d events of 128 bytes in each of %d rounds; %d subjects were followed within %v; %s",
		events, rounds, many, time.Since(began).Round(time.Second), machine())
	for b.Loop() {
		quiet.send(events / 10)
		busy.send(events / 10)
		var among [2][]float64
		for range rounds {
			for i, t := range []*topic{quiet, busy} {
				among[i] = append(among[i], t.send(events))
			}
		}
		small, large := median(among[0]), median(among[1])
		b.ReportMetric(small, "cpu-µs/event-among-100")
		b.ReportMetric(large, "cpu-µs/event-among-100000")
		b.ReportMetric(large/small, "ratio")
		b.ReportMetric(topicBar, "bar")
		b.ReportMetric(0, "ns/op") // says nothing here
		if large/small > topicBar {
			b.Logf("OVER THE BAR: an event costs %.2f times as much among %d subjects as among %d; microseconds by round: %.1f and %.1f",
				large/small, many, few, among[1], among[0])
		}
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// A topic is one with a single follower, on a node of its own.
type topic struct {
	b         *testing.B
	node      *stage.Node
	js        jetstream.JetStream
	delivered atomic.Int64
	arrived   chan struct{}
}

// startTopic starts a node that follows so many other subjects.
func startTopic(b *testing.B, others int) *topic {
	b.Helper()
	t := &topic{b: b, arrived: make(chan struct{}, 1)}
	t.node = stage.StartNode(b, stage.Settings(b.TempDir()).With("auth.allow", []string{"topic.>"}))
	if err := followAlso(b, t.node, stage.Token(b, "one", nil), []string{"topic.load"}, t.came); err != nil {
		b.Fatal(err)
	}
	var subjects []string
	for i := range others {
		subjects = append(subjects, fmt.Sprintf("topic.other.%d", i))
	}
	followMany(b, t.node, nil, subjects, t.came)
	nc, err := nats.Connect("nats://" + t.node.NATSAddress())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	if t.js, err = jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(1024)); err != nil {
		b.Fatal(err)
	}
	return t
}

// came is told how many events have reached a client.
func (t *topic) came(n int) {
	t.delivered.Add(int64(n))
	select {
	case t.arrived <- struct{}{}:
	default:
	}
}

// send sends events and returns what each cost the node, in microseconds.
func (t *topic) send(events int) float64 {
	t.b.Helper()
	const limit = time.Minute
	payload := append(bytes.Repeat([]byte("x"), 127), mark)
	t.delivered.Store(0)
	before, err := t.node.Process().CPU()
	if err != nil {
		t.b.Fatal(err)
	}
	for range events {
		if _, err := t.js.PublishAsync("topic.load", payload, jetstream.WithStallWait(limit)); err != nil {
			t.b.Fatal(err)
		}
	}
	stalled := time.NewTimer(limit)
	defer stalled.Stop()
	for t.delivered.Load() < int64(events) {
		select {
		case <-t.arrived:
			stalled.Reset(limit)
		case <-stalled.C:
			t.b.Fatalf("%d of %d events delivered", t.delivered.Load(), events)
		}
	}
	after, err := t.node.Process().CPU()
	if err != nil {
		t.b.Fatal(err)
	}
	return float64((after - before).Microseconds()) / float64(events)
}
