package bench

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"weft/test/client"
	"weft/test/stage"
)

// BenchmarkRevocationInCluster puts sessions into the bucket blacklist of a
// cluster of three by NATS, one after another and each at the next node, as
// nats kv put does. It measures the time from the put until the connections of
// the session on all nodes are closed, as their clients see it.
func BenchmarkRevocationInCluster(b *testing.B) {
	const (
		revocations = 300
		limit       = 3 * time.Minute
	)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	nodes := stage.StartCluster(b, ctx, nil)
	b.Logf("%d revocations, a connection of each session on %d nodes; %s", revocations, len(nodes), machine())

	var clients []*nats.Conn
	for _, n := range nodes {
		clients = append(clients, n.NATS())
	}
	run := 0
	for b.Loop() {
		run++
		var took []time.Duration
		for i := range revocations {
			session := fmt.Sprintf("s%d-%d", run, i)
			token := stage.Token(b, "ann", map[string]any{"jti": session})
			var open []*client.Recorder
			for _, n := range nodes {
				r, err := client.Record(ctx, client.SSE, client.Target{URL: n.URL(), Token: token})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := r.AwaitType(ctx, client.TypeOpen); err != nil {
					b.Fatal(err)
				}
				open = append(open, r)
			}
			nc := clients[i%len(clients)]
			begun := time.Now()
			if err := nc.Publish("$KV.blacklist."+session, []byte("revoked")); err != nil {
				b.Fatal(err)
			}
			if err := nc.FlushWithContext(ctx); err != nil {
				b.Fatal(err)
			}
			for _, r := range open {
				select {
				case <-r.Done():
				case <-ctx.Done():
					b.Fatalf("%s is not cut: %v", session, ctx.Err())
				}
			}
			took = append(took, time.Since(begun))
			for _, r := range open {
				r.Close()
			}
		}
		slices.Sort(took)
		at := func(percent int) float64 { return float64(took[(len(took)-1)*percent/100].Microseconds()) / 1000 }
		b.ReportMetric(at(50), "ms-p50")
		b.ReportMetric(at(99), "ms-p99")
		b.ReportMetric(at(100), "ms-max")
		b.ReportMetric(0, "ns/op") // says nothing here
	}
}
