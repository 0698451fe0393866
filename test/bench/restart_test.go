package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"weft/test/stage"
)

// BenchmarkRestartInABacklog kills a node with SIGKILL when it has stored six tenths of a
// backlog of Kafka for 1,000 users, starts it again, and tells how long it is from the
// kill until a record is stored that was not before. Of that, the group waits six seconds
// for the member that is dead. The other figure is the processor time of the new process
// until then.
//
//	WEFT_BINARY             Weft
//	WEFT_BENCH_BEFORE       another binary of Weft, of before; both go in turn
//	WEFT_BENCH_STORED       how many events of others are stored before; 0
//	WEFT_BENCH_USERS        of how many users; 200000
//	WEFT_BENCH_RECORDS      how many records the backlog has; 200000
//	WEFT_BENCH_ROUNDS       how many rounds; 3
func BenchmarkRestartInABacklog(b *testing.B) {
	const partitions, users = 8, 1000
	records, stored := number("WEFT_BENCH_RECORDS", 200_000), number("WEFT_BENCH_STORED", 0)
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	kafka := startKafka(ctx, b)
	if err := stage.CreateTopic(ctx, kafka.Address, "orders", partitions); err != nil {
		b.Fatal(err)
	}
	produce(ctx, b, kafka.Address, records, 128, users)
	full := b.TempDir()
	fillForRestart(b, full, stored, number("WEFT_BENCH_USERS", 200_000))
	binaries := []string{"WEFT_BINARY"}
	if os.Getenv("WEFT_BENCH_BEFORE") != "" {
		binaries = append(binaries, "WEFT_BENCH_BEFORE")
	}
	silences, cpus := map[string][]float64{}, map[string][]float64{}
	run := 0
	for b.Loop() {
		for range number("WEFT_BENCH_ROUNDS", 3) {
			for _, variable := range binaries {
				run++
				dir := b.TempDir()
				if err := os.CopyFS(dir, os.DirFS(full)); err != nil {
					b.Fatal(err)
				}
				silence, cpu := killInABacklog(b, variable, restartSettings(dir).With("kafka.group", fmt.Sprint("restart-", run)).
					Kafka(kafka.Address, stage.Source{"topic": "orders", "to": []string{"user.{/customer/id}"}, "start": "oldest"}), records*6/10)
				b.Logf("%-18s %6.2f s until another record is stored, %5.2f s of the processor", variable, silence, cpu)
				silences[variable], cpus[variable] = append(silences[variable], silence), append(cpus[variable], cpu)
				if err := os.RemoveAll(filepath.Join(dir, "jetstream")); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	for name, variable := range map[string]string{"weft": "WEFT_BINARY", "before": "WEFT_BENCH_BEFORE"} {
		if len(silences[variable]) > 0 {
			b.ReportMetric(median(silences[variable]), name+"-silence-s")
			b.ReportMetric(median(cpus[variable]), name+"-cpu-s")
		}
	}
}

func restartSettings(dir string) stage.Config {
	return stage.Settings(dir).With("events.max_per_subject", 100_000).With("events.max_bytes", "8GiB")
}

// fillForRestart stores events of users in a data folder.
func fillForRestart(b *testing.B, dir string, total, users int) {
	b.Helper()
	node := stage.StartNode(b, restartSettings(dir))
	defer node.Stop()
	conn := node.NATS()
	defer conn.Close()
	payload := make([]byte, 128)
	have := func() int { return int(metric(b, node, "weft_jetstream_stream_messages")) }
	const chunk = 20_000
	for i := 0; i < total; i += chunk {
		for j := i; j < min(i+chunk, total); j++ {
			if err := conn.PublishMsg(&nats.Msg{Subject: fmt.Sprint("user.o", j%users), Data: payload}); err != nil {
				b.Fatal(err)
			}
		}
		if err := conn.FlushTimeout(time.Minute); err != nil {
			b.Fatal(err)
		}
		for begun := time.Now(); have() < min(i, total); time.Sleep(20 * time.Millisecond) { // no more than a chunk on its way
			if time.Since(begun) > time.Minute {
				b.Fatalf("%d of %d are stored", have(), i)
			}
		}
	}
	b.Logf("%d messages of %d users are stored; %s", have(), users, machine())
}

// killInABacklog returns seconds.
func killInABacklog(b *testing.B, variable string, config stage.Config, after int) (silence, cpu float64) {
	b.Helper()
	if variable != "WEFT_BINARY" {
		own := os.Getenv("WEFT_BINARY")
		os.Setenv("WEFT_BINARY", os.Getenv(variable))
		defer os.Setenv("WEFT_BINARY", own)
	}
	node := stage.StartNode(b, config)
	defer node.Kill()
	const placed = `weft_kafka_records_total\{outcome="placed",topic="orders"\}`
	await := func(n int) {
		for begun := time.Now(); metric(b, node, placed) <= float64(n); time.Sleep(10 * time.Millisecond) {
			if time.Since(begun) > 3*time.Minute {
				b.Fatalf("%v records are placed", metric(b, node, placed))
			}
		}
	}
	await(after)
	killed := time.Now()
	node.Restart()
	await(0)
	silence = time.Since(killed).Seconds()
	used, err := node.Process().CPU()
	if err != nil {
		b.Fatal(err)
	}
	return silence, used.Seconds()
}
