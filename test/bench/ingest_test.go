package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"weft/test/stage"
)

// BenchmarkHTTPToStore publishes CloudEvents of 256 bytes, for 1,000 users in
// turn, in batches of 1 to 1,000, from four clients that each have one request
// in flight, into the stream on disk. Run it alone with
//
//	go test -run '^$' -bench HTTPToStore ./test/bench
func BenchmarkHTTPToStore(b *testing.B) {
	const (
		size    = 256
		users   = 1000
		clients = 4
		limit   = 2 * time.Minute
	)
	for _, batch := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			events := min(10_000*batch, 100_000)
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			node := stage.StartNode(b, stage.Settings(b.TempDir()).With("auth.publish", []string{"user.*"}))
			token := stage.Token(b, "shop", nil)
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
			defer client.CloseIdleConnections()
			b.Logf("%d events of %d bytes, %d in a batch, %d users, %d clients; %s", events, size, batch, users, clients, machine())

			run := 0
			for b.Loop() {
				run++
				var sent atomic.Int64
				meter := startMeter(b, node)
				done := make(chan error, clients)
				for range clients {
					go func() {
						for {
							first := int(sent.Add(int64(batch))) - batch
							if first >= events {
								done <- nil
								return
							}
							if err := publish(ctx, client, node, token, cloudEvents(run, first, batch, size, users), batch); err != nil {
								done <- err
								return
							}
						}
					}()
				}
				for range clients {
					if err := <-done; err != nil {
						b.Fatal(err)
					}
				}
				meter.stop(events, meter.began)
			}
		})
	}
}

// cloudEvents makes a batch.
func cloudEvents(run, first, batch, size, users int) []byte {
	doc := bytes.NewBufferString("[")
	for i := first; i < first+batch; i++ {
		if i > first {
			doc.WriteByte(',')
		}
		head := fmt.Sprintf(`{"specversion":"1.0","id":"%d-%d","source":"/shop","type":"order.shipped","user":"user%d","data":{"n":%d,"note":"`,
			run, i, i%users, i)
		doc.WriteString(head + strings.Repeat("x", size-len(head)-3) + `"}}`)
	}
	return append(doc.Bytes(), ']')
}

// publish sends a batch, and sees to it that all of it is stored.
func publish(ctx context.Context, client *http.Client, node *stage.Node, token string, body []byte, batch int) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, node.URL()+"/_weft/v1/events", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/cloudevents-batch+json")
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	var stored struct {
		IDs []string `json:"ids"`
	}
	if err := json.Unmarshal(text, &stored); err != nil || answer.StatusCode != http.StatusAccepted || len(stored.IDs) != batch {
		return fmt.Errorf("publish a batch of %d: %s: %d ids, %.200q", batch, answer.Status, len(stored.IDs), text)
	}
	return nil
}
