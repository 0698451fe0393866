package kafka_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// addPartitions makes a topic have more partitions.
func addPartitions(t testing.TB, b *kfake.Cluster, topic string, count int32) {
	t.Helper()
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.TimeoutMillis = 10_000
	more := kmsg.NewCreatePartitionsRequestTopic()
	more.Topic, more.Count = topic, count
	req.Topics = append(req.Topics, more)
	resp, err := req.RequestWith(t.Context(), newProducer(t, b))
	if err != nil {
		t.Fatal(err)
	}
	if err := kerr.ErrorForCode(resp.Topics[0].ErrorCode); err != nil {
		t.Fatal(err)
	}
}
