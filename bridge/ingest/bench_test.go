package ingest

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream/event"
	"weft/jetstream/store"
)

// taken is a store that takes all at once, so that what remains is the ingest.
type taken struct{}

func (taken) PublishAll(_ context.Context, events []event.Event) ([]store.Ack, []error) {
	return make([]store.Ack, len(events)), make([]error, len(events))
}

// BenchmarkAccept measures what a batch of CloudEvents of 256 bytes costs before
// it is stored: reading, splitting, attributes, message ids.
func BenchmarkAccept(b *testing.B) {
	const size = 256
	for _, batch := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			docs := make([]string, batch)
			for n := range docs {
				head := fmt.Sprintf(`{"specversion":"1.0","id":"%d","source":"/shop","type":"order.shipped","user":"user%d","data":{"n":%d,"note":"`, n, n, n)
				docs[n] = head + strings.Repeat("x", size-len(head)-3) + `"}}`
			}
			body := []byte("[" + strings.Join(docs, ",") + "]")
			i := New(config, nil, taken{}, prometheus.NewRegistry())
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest("POST", "/_weft/v1/events", bytes.NewReader(body))
				r.Header.Set("Content-Type", batchType)
				if _, err := i.Accept(b.Context(), r, pub, all); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/event")
		})
	}
}
