package stage

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// CreateTopic makes a topic; configs are name, value, ….
func CreateTopic(ctx context.Context, broker, topic string, partitions int32, configs ...string) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		return err
	}
	defer cl.Close()
	req := kmsg.NewCreateTopicsRequest()
	req.TimeoutMillis = 20_000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic, partitions, 1
	for i := 0; i < len(configs); i += 2 {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = configs[i], &configs[i+1]
		t.Configs = append(t.Configs, c)
	}
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return fmt.Errorf("create topic %s: %w", topic, err)
	}
	for _, t := range resp.Topics {
		if t.ErrorCode != 0 {
			return fmt.Errorf("create topic %s: error code %d", topic, t.ErrorCode)
		}
	}
	return nil
}

// AddPartitions makes a topic have a number of partitions.
func AddPartitions(ctx context.Context, broker, topic string, count int32) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		return err
	}
	defer cl.Close()
	req := kmsg.NewCreatePartitionsRequest()
	req.TimeoutMillis = 20_000
	more := kmsg.NewCreatePartitionsRequestTopic()
	more.Topic, more.Count = topic, count
	req.Topics = append(req.Topics, more)
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return fmt.Errorf("add partitions to %s: %w", topic, err)
	}
	for _, t := range resp.Topics {
		if t.ErrorCode != 0 {
			return fmt.Errorf("add partitions to %s: error code %d", topic, t.ErrorCode)
		}
	}
	return nil
}

// ReadTopic reads a topic from its start until it has the given number of
// records of each partition (as EndOffsets returns them).
func ReadTopic(ctx context.Context, broker, topic string, ends map[int32]int64, each func(*kgo.Record)) error {
	at := map[int32]kgo.Offset{}
	left := map[int32]int64{}
	for p, end := range ends {
		if end > 0 {
			at[p], left[p] = kgo.NewOffset().AtStart(), end
		}
	}
	if len(left) == 0 {
		return nil
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: at}))
	if err != nil {
		return err
	}
	defer cl.Close()
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("read topic %s: %w", topic, ctx.Err())
		}
		fetches.EachRecord(func(r *kgo.Record) {
			end, ok := left[r.Partition]
			if !ok || r.Offset >= end {
				return
			}
			each(r)
			if r.Offset == end-1 {
				delete(left, r.Partition)
			}
		})
	}
	return nil
}

// EndOffsets returns, by partition, the offset that the next record gets.
func EndOffsets(ctx context.Context, broker, topic string, partitions int32) (map[int32]int64, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	req := kmsg.NewListOffsetsRequest()
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	for p := range partitions {
		part := kmsg.NewListOffsetsRequestTopicPartition()
		part.Partition, part.Timestamp = p, -1
		t.Partitions = append(t.Partitions, part)
	}
	req.Topics = append(req.Topics, t)
	ends := map[int32]int64{}
	for _, shard := range cl.RequestSharded(ctx, &req) {
		if shard.Err != nil {
			return nil, fmt.Errorf("list offsets of %s: %w", topic, shard.Err)
		}
		for _, t := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				if p.ErrorCode != 0 {
					return nil, fmt.Errorf("list offsets of %s/%d: error code %d", topic, p.Partition, p.ErrorCode)
				}
				ends[p.Partition] = p.Offset
			}
		}
	}
	return ends, nil
}

// CommittedOffsets returns, by partition, what a group has committed for a topic.
func CommittedOffsets(ctx context.Context, broker, group, topic string, partitions int32) (map[int32]int64, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	req := kmsg.NewOffsetFetchRequest()
	req.Group = group
	t := kmsg.NewOffsetFetchRequestTopic()
	t.Topic = topic
	for p := range partitions {
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, fmt.Errorf("fetch offsets of %s: %w", group, err)
	}
	committed := map[int32]int64{}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			committed[p.Partition] = max(p.Offset, 0)
		}
	}
	return committed, nil
}

// Committed sums what a group has committed, over the partitions.
func Committed(ctx context.Context, broker, group, topic string, partitions int32) (int64, error) {
	offsets, err := CommittedOffsets(ctx, broker, group, topic, partitions)
	var sum int64
	for _, o := range offsets {
		sum += o
	}
	return sum, err
}
