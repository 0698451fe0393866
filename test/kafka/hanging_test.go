package kafka_test

import (
	"bytes"
	"net/http"
	"slices"
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
	patient := toTopic("slow")
	patient.Timeout = 5 * time.Second
	var posting sync.WaitGroup
	for range 5 {
		posting.Go(func() {
			if _, err := post(t, k, patient, "x"); problem.Of(err).Code != problem.UpstreamTimeout {
				t.Errorf("%v, want 504", err)
			}
		})
	}
	<-hanging
	accept(t, k, toTopic("orders"), "x") // it may stand behind the one that hangs
	slowest := time.Duration(0)
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		began := time.Now()
		accept(t, k, toTopic("orders"), "x")
		slowest = max(slowest, time.Since(began))
	}
	if slowest > 2*time.Second { // who is held up is so until the others are given up, after 5 s
		t.Errorf("another topic is held up for %v", slowest)
	}
	posting.Wait()
	close(release)
	eventually(t, "the topic is written to again", func() bool { _, err := post(t, k, toTopic("slow"), "y"); return err == nil })
}

// A request that waits at a broker may be read there long after its client was told that
// nothing is known of it. What was written meanwhile is newer.
func TestARecordThatWasGivenUpIsNotWrittenAfterTheNext(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "orders"), kfake.SleepOutOfOrder())
	k := openTarget(t, b.ListenAddrs(), nil)
	accept(t, k, toTopic("orders"), "first")
	release := make(chan struct{})
	var held sync.WaitGroup
	b.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		if bytes.Contains(req.(*kmsg.ProduceRequest).Topics[0].Partitions[0].Records, []byte("given up")) {
			held.Add(1)
			defer held.Done()
			b.SleepControl(func() { <-release })
		}
		return nil, nil, false
	})
	hurried := toTopic("orders")
	hurried.Timeout = 300 * time.Millisecond
	refused(t, k, hurried, "given up", http.StatusGatewayTimeout, problem.UpstreamTimeout)
	accept(t, k, toTopic("orders"), "next")
	close(release)
	held.Wait()
	accept(t, k, toTopic("orders"), "last")
	var got []string
	for _, r := range recordsOf(t, b, "orders") {
		got = append(got, string(r.Value))
	}
	if want := []string{"first", "next", "last"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
