package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"weft/test/stage"
)

// BenchmarkRouteToServed is the time from nats kv put on the first node of three to the
// first request that the third one serves by it.
func BenchmarkRouteToServed(b *testing.B) {
	ctx, cancel := context.WithTimeout(b.Context(), 2*time.Minute)
	defer cancel()
	nodes := stage.StartCluster(b, ctx, nil)
	back := stage.StartBackend(b, nil).URL()
	js, err := jetstream.New(nodes[0].NATS())
	if err != nil {
		b.Fatal(err)
	}
	bucket, err := js.KeyValue(ctx, "routes")
	if err != nil {
		b.Fatal(err)
	}
	for i := range 1000 { // a table as a user has it
		if _, err := js.PublishAsync(fmt.Sprintf("$KV.routes.r%d", i), routeTo(back, fmt.Sprintf("/r%d/{id}", i))); err != nil {
			b.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	client := &http.Client{Timeout: 10 * time.Second}
	const puts = 200
	var took []time.Duration
	for b.Loop() {
		for range puts {
			path := fmt.Sprintf("/moving%d", len(took))
			began := time.Now()
			if _, err := bucket.Put(ctx, "moving", routeTo(back, path)); err != nil {
				b.Fatal(err)
			}
			for !isServed(b, client, nodes[2].URL()+path) {
				if time.Since(began) > 10*time.Second {
					b.Fatalf("%s is not served", path)
				}
			}
			took = append(took, time.Since(began))
		}
	}
	slices.Sort(took)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(took[len(took)/2].Seconds()*1e3, "p50-ms")
	b.ReportMetric(took[len(took)*99/100].Seconds()*1e3, "p99-ms")
	b.ReportMetric(took[len(took)-1].Seconds()*1e3, "max-ms")
	b.Log(machine())
}

func routeTo(back, path string) []byte {
	return fmt.Appendf(nil, `{"pattern":%q,"target":%q,"auth":{"mode":"none"}}`, path, back)
}

func isServed(b *testing.B, client *http.Client, url string) bool {
	answer, err := client.Get(url)
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		b.Fatal(err)
	}
	return answer.StatusCode == http.StatusOK
}
