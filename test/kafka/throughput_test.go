package kafka_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"weft/bridge"
	"weft/bridge/kafka"
)

const (
	// brokerVariable makes this test binary a broker that holds that many records.
	brokerVariable = "WEFT_TEST_BROKER_RECORDS"
	partitions     = 8
	benchUsers     = 10_000
)

// serveBroker is the child process of BenchmarkStored: what it costs must not
// count. It writes its address and ends with its standard input.
func serveBroker(records string) error {
	var total int
	if _, err := fmt.Sscan(records, &total); err != nil {
		return err
	}
	b, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, "orders"))
	if err != nil {
		return err
	}
	defer b.Close()
	p, err := kgo.NewClient(kgo.SeedBrokers(b.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer p.Close()
	for n := range total {
		value := fmt.Sprintf(`{"customer":{"id":"u%05d","name":"Ann Example","tier":3},"state":"shipped","total":129.95,"n":%d,"text":"`, n%benchUsers, n)
		value += strings.Repeat("x", 254-len(value)) + `"}`
		p.Produce(context.Background(), &kgo.Record{Topic: "orders", Partition: int32(n % partitions), Value: []byte(value)}, nil)
	}
	if err := p.Flush(context.Background()); err != nil {
		return err
	}
	fmt.Println(b.ListenAddrs()[0])
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// BenchmarkStored measures the whole way from Kafka into the store on disk, rule
// included: records of 256 bytes in eight partitions. The processor time is that
// of this process, broker excluded, and counts what the store and the start of
// the group cost.
func BenchmarkStored(b *testing.B) {
	records := max(b.N, 50_000)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), fmt.Sprintf("%s=%d", brokerVariable, records))
	child.Stderr = os.Stderr
	stdin, err := child.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := child.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = stdin.Close()
		if err := child.Wait(); err != nil {
			b.Error(err)
		}
	}()
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	node := openNode(b)
	b.ResetTimer()
	began, cpu := time.Now(), processorTime(b)
	r := start(b, options(nil, func(k *bridge.KafkaConfig) {
		k.Brokers = []string{strings.TrimSpace(addr)}
		k.Sources[0].To, k.Sources[0].Type = []string{"user.{/customer/id}"}, "order.{/state}"
	}), kafka.StoreOf(node.Store(), node.Cluster().Links().Majority))
	for r.metric(b, "weft_kafka_records_total", "outcome", "placed") < float64(records) {
		if r.metric(b, "weft_kafka_records_total", "outcome", "unplaced") > 0 {
			b.Fatal("a record cannot be placed")
		}
		time.Sleep(5 * time.Millisecond)
	}
	r.stop()
	b.ReportMetric(float64(records)/time.Since(began).Seconds(), "events/s")
	b.ReportMetric(float64((processorTime(b)-cpu).Microseconds())/float64(records), "cpu-µs/event")
}
