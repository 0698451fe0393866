package fault

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weft/config/testkit/waitfor"
	"weft/test/stage"
)

// overKafka produces records. A producer that sends a record again after the broker
// has died can put it there twice, so what was accepted is what the topic holds.
type overKafka struct {
	broker   string
	producer *kgo.Client
	reader   *kgo.Client
	read     map[int32]int64 // by partition: the offset after the last record that was read
}

func newKafka(c *Cluster) (*overKafka, error) {
	k := &overKafka{broker: c.Kafka.Address, read: map[int32]int64{}}
	var err error
	if k.producer, err = kgo.NewClient(kgo.SeedBrokers(k.broker), kgo.DefaultProduceTopic(topicName),
		kgo.ProducerLinger(0), kgo.UnknownTopicRetries(-1), kgo.RetryTimeout(time.Minute)); err != nil {
		return nil, fmt.Errorf("connect producer: %w", err)
	}
	start := map[int32]kgo.Offset{}
	for p := range int32(partitions) {
		start[p] = kgo.NewOffset().AtStart()
	}
	if k.reader, err = kgo.NewClient(kgo.SeedBrokers(k.broker), kgo.FetchMaxWait(250*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topicName: start})); err != nil {
		k.producer.Close()
		return nil, fmt.Errorf("connect reader: %w", err)
	}
	return k, nil
}

func (*overKafka) name() string { return "kafka" }

func (k *overKafka) publish(ctx context.Context, user string, n int) (refused int, err error) {
	for {
		err := k.producer.ProduceSync(ctx, &kgo.Record{Key: []byte(user), Value: payload(k.name(), user, n)}).FirstErr()
		if err == nil {
			return refused, nil
		}
		refused++
		if err := waitfor.Time(ctx, publishPause); err != nil {
			return refused, err
		}
	}
}

// accepted reads on to the ends that the partitions have now.
func (k *overKafka) accepted(ctx context.Context) (map[string][]receipt, error) {
	ends, err := stage.EndOffsets(ctx, k.broker, topicName, partitions)
	if err != nil {
		return nil, err
	}
	receipts := map[string][]receipt{}
	for !k.reached(ends) {
		fetches := k.reader.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("read topic %s: %w", topicName, ctx.Err())
		}
		var bad error
		fetches.EachRecord(func(r *kgo.Record) {
			var e event
			if err := json.Unmarshal(r.Value, &e); err != nil {
				bad = fmt.Errorf("decode record %d of partition %d: %w", r.Offset, r.Partition, err)
			}
			receipts[e.User] = append(receipts[e.User], receipt{e.N, r.Timestamp})
			k.read[r.Partition] = r.Offset + 1
		})
		if bad != nil {
			return nil, bad
		}
	}
	return receipts, nil
}

func (k *overKafka) reached(ends map[int32]int64) bool {
	for p, end := range ends {
		if k.read[p] < end {
			return false
		}
	}
	return true
}

func (k *overKafka) close() {
	k.producer.Close()
	k.reader.Close()
}
