package kafka

import (
	"errors"
	"fmt"

	"github.com/IBM/sarama"
)

// A partition is one of a topic.
type partition struct {
	topic  string
	number int32
}

// A commit is what the group has of a partition.
type commit struct {
	offset   int64 // -1: nothing is committed
	metadata string
}

// commits asks the group for what is committed of some partitions: the client library
// does so itself, but keeps the metadata. The lease's connection is free of requests that a
// broker answers late.
func (s *session) commits(of []partition) (map[partition]commit, error) {
	group := s.opts.Kafka.Group
	coordinator, err := s.pings.Coordinator(group)
	if err != nil {
		return nil, err
	}
	ask := map[string][]int32{}
	for _, p := range of {
		ask[p.topic] = append(ask[p.topic], p.number)
	}
	resp, err := coordinator.FetchOffset(sarama.NewOffsetFetchRequest(s.pings.Config().Version, group, ask))
	if err != nil {
		_ = coordinator.Close() // it is opened again for the next request
		return nil, err
	}
	found := make(map[partition]commit, len(of))
	for _, p := range of {
		block := resp.GetBlock(p.topic, p.number)
		if block == nil {
			return nil, fmt.Errorf("fetch commits: no answer for %s/%d: %w", p.topic, p.number, errors.Join(resp.Err, sarama.ErrIncompleteResponse))
		}
		switch block.Err {
		case sarama.ErrNoError:
			found[p] = commit{block.Offset, block.Metadata}
		case sarama.ErrNotCoordinatorForConsumer, sarama.ErrConsumerCoordinatorNotAvailable:
			return nil, errors.Join(block.Err, s.pings.RefreshCoordinator(group))
		default:
			return nil, fmt.Errorf("fetch commits: %s/%d: %w", p.topic, p.number, block.Err)
		}
	}
	return found, nil
}
