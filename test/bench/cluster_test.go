package bench

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"weft/test/stage"
)

// BenchmarkClusterNATSToSSE sends 100,000 events of 256 bytes into a cluster of
// three, each to one of 999 users with one SSE connection. Users are spread over
// the nodes, and a third of the events is published at each. The CPU time is
// that of the three nodes together.
func BenchmarkClusterNATSToSSE(b *testing.B) {
	const (
		events = 100_000
		size   = 256
		users  = 999
		limit  = time.Minute
	)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	nodes := stage.StartCluster(b, ctx, nil)
	var delivered atomic.Int64
	arrived := make(chan struct{}, 1)
	for i := range users {
		// A third of the users is where its events are published, the others are
		// elsewhere.
		follow(b, nodes[i/stage.ClusterSize%len(nodes)], fmt.Sprintf("user%d", i), func(n int) {
			delivered.Add(int64(n))
			select {
			case arrived <- struct{}{}:
			default:
			}
		})
	}
	var publishers []jetstream.JetStream
	for _, n := range nodes {
		nc, err := nats.Connect("nats://" + n.NATSAddress())
		if err != nil {
			b.Fatal(err)
		}
		defer nc.Close()
		js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(1024))
		if err != nil {
			b.Fatal(err)
		}
		publishers = append(publishers, js)
	}
	payload := append(bytes.Repeat([]byte("x"), size-1), mark)
	b.Logf("%d events of %d bytes, %d users on %d nodes; %s", events, size, users, len(nodes), machine())

	for b.Loop() {
		delivered.Store(0)
		meter := startMeter(b, nodes...)
		for i := range events {
			at := publishers[i%len(publishers)]
			if _, err := at.PublishAsync(fmt.Sprintf("user.user%d", i%users), payload, jetstream.WithStallWait(limit)); err != nil {
				b.Fatal(err)
			}
		}
		stalled := time.NewTimer(limit)
		for delivered.Load() < events {
			select {
			case <-arrived:
				stalled.Reset(limit)
			case <-stalled.C:
				b.Fatalf("%d of %d events delivered", delivered.Load(), events)
			}
		}
		stalled.Stop()
		meter.stop(events, meter.began)
	}
}
