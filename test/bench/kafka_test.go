package bench

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weft/test/stage"
)

// BenchmarkKafkaToStore reads 200,000 records of 256 bytes from 8 partitions by a
// rule with a JSON pointer, for 10,000 users, into the stream on disk. The records
// are there before Weft starts; the time runs from the first that is stored to the
// last, the CPU from the moment Weft is ready.
func BenchmarkKafkaToStore(b *testing.B) {
	const (
		records    = 200_000
		size       = 256
		partitions = 8
		users      = 10_000
	)
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	kafka := startKafka(ctx, b)
	if err := stage.CreateTopic(ctx, kafka.Address, "orders", partitions); err != nil {
		b.Fatal(err)
	}
	produce(ctx, b, kafka.Address, records, size, users)
	b.Logf("%d records of %d bytes, %d partitions, %d users; %s", records, size, partitions, users, machine())

	run := 0
	for b.Loop() {
		run++
		b.StopTimer()
		node := stage.StartNode(b, stage.Settings(b.TempDir()).
			With("kafka.group", fmt.Sprintf("bench-%d", run)).
			Kafka(kafka.Address, stage.Source{"topic": "orders", "to": []string{"user.{/customer/id}"}, "start": "oldest"}))
		meter := startMeter(b, node)
		b.StartTimer()
		var first time.Time
		for {
			n := metric(b, node, "weft_kafka_records_total")
			if n > 0 && first.IsZero() {
				first = time.Now()
			}
			if n >= records {
				break
			}
			if ctx.Err() != nil {
				b.Fatalf("%v after %v records", ctx.Err(), n)
			}
			time.Sleep(10 * time.Millisecond)
		}
		meter.stop(records, first)
		b.StopTimer()
		node.Kill()
		b.StartTimer()
	}
}

// startKafka runs a broker for the benchmark.
func startKafka(ctx context.Context, b *testing.B) *stage.Kafka {
	b.Helper()
	kafka, err := stage.NewKafka(ctx, b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(kafka.Kill)
	return kafka
}

func produce(ctx context.Context, b *testing.B, broker string, records, size, users int) {
	b.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.DefaultProduceTopic("orders"))
	if err != nil {
		b.Fatal(err)
	}
	defer cl.Close()
	failed := make(chan error, 1)
	for i := range records {
		user := fmt.Sprintf("user%d", i*7919%users)
		head := fmt.Sprintf(`{"id":%d,"customer":{"id":"%s"},"note":"`, i, user)
		value := head + strings.Repeat("x", size-len(head)-2) + `"}`
		cl.Produce(ctx, &kgo.Record{Key: []byte(user), Value: []byte(value)}, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	if err := cl.Flush(ctx); err != nil {
		b.Fatal(err)
	}
	select {
	case err := <-failed:
		b.Fatal(err)
	default:
	}
}
