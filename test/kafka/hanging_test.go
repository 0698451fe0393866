package kafka_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weft/edge/problem"
)

// A broker answers the requests of a connection one after the other: one that waits for
// slow replicas holds up all partitions on it. What has been found slow is out of the way.
func TestABrokerThatHangsOverOnePartitionHoldsUpNoOther(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "orders", "slow"), kfake.SleepOutOfOrder())
	k := openTarget(t, b.ListenAddrs(), nil)
	release := make(chan struct{})
	var hung sync.Once
	hanging := make(chan struct{})
	b.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		topic := req.(*kmsg.ProduceRequest).Topics[0]
		if topic.Topic == "slow" || b.TopicIDInfo(topic.TopicID) != nil && b.TopicIDInfo(topic.TopicID).Topic == "slow" {
			b.SleepControl(func() {
				hung.Do(func() { close(hanging) })
				<-release
			})
		}
		return nil, nil, false
	})
	hurried := toTopic("slow")
	hurried.Timeout = 700 * time.Millisecond
	var posting sync.WaitGroup
	for range 5 {
		posting.Go(func() { refused(t, k, hurried, "x", http.StatusGatewayTimeout, problem.UpstreamTimeout) })
	}
	<-hanging
	posting.Wait()
	began := time.Now()
	for range 20 {
		accept(t, k, toTopic("orders"), "x")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("another topic took %v", took)
	}
	close(release)
	eventually(t, "the topic is written to again", func() bool { _, err := post(t, k, toTopic("slow"), "y"); return err == nil })
}
