package kafka_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weft/bridge"
	"weft/bridge/target"
	"weft/edge/problem"
	"weft/edge/route"
)

func TestATopicThatIsMissingHoldsUpNothing(t *testing.T) {
	t.Parallel()
	b := newBroker(t, kfake.SeedTopics(1, "orders"))
	k := openTarget(t, b.ListenAddrs(), nil)
	var asking sync.WaitGroup
	for range 600 {
		asking.Go(func() {
			if _, err := post(t, k, toTopic("missing"), "x"); err == nil || problem.Of(err).Status != http.StatusServiceUnavailable {
				t.Errorf("%v, want 503", err)
			}
		})
	}
	began := time.Now()
	accept(t, k, toTopic("orders"), "x")
	asking.Wait()
	if took := time.Since(began); took > 10*time.Second { // half of what the route has
		t.Errorf("it took %v", took)
	}
	if err := b.CreateTopic("missing", 1, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the topic that is made is found", func() bool { _, err := post(t, k, toTopic("missing"), "x"); return err == nil })
	if err := b.DeleteTopic("missing"); err != nil {
		t.Fatal(err)
	}
	refused(t, k, toTopic("missing"), "x", http.StatusServiceUnavailable, problem.UpstreamUnavailable)
}

func TestWithoutKafkaRequestsAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	k := openTarget(t, []string{address}, nil)
	began := time.Now()
	refused(t, k, toTopic("orders"), "x", http.StatusServiceUnavailable, problem.UpstreamUnavailable)
	b, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port), kfake.SeedTopics(1, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "Kafka that has come is found", func() bool { _, err := post(t, k, toTopic("orders"), "x"); return err == nil })
	b.Close()
	hurried := toTopic("orders")
	hurried.Timeout = 500 * time.Millisecond
	eventually(t, "Kafka that has gone is missed", func() bool { // the first one may be on its way
		_, err := post(t, k, hurried, "x")
		return err != nil && problem.Of(err).Status == http.StatusServiceUnavailable
	})
	refused(t, k, toTopic("orders"), "x", http.StatusServiceUnavailable, problem.UpstreamUnavailable)
	if took := time.Since(began); took > 15*time.Second { // the route has 20 s for each
		t.Errorf("it took %v", took)
	}
	b, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port), kfake.SeedTopics(1, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	eventually(t, "Kafka that is back is found", func() bool { _, err := post(t, k, toTopic("orders"), "x"); return err == nil })
	if all := recordsOf(t, b, "orders"); len(all) != 1 {
		t.Errorf("%d records: one that was refused came later", len(all))
	}

	k, err = target.New(bridge.Default().Kafka, nil, nil, prometheus.NewRegistry())
	if err != nil || k.Open(t.Context()) != nil || k.Configured() {
		t.Fatal("a node without brokers does not open")
	}
	refused(t, k, toTopic("orders"), "x", http.StatusServiceUnavailable, problem.UpstreamUnavailable)
}

func TestAnAcknowledgementThatIsLostWritesNothingTwice(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "orders"))
	k := openTarget(t, b.ListenAddrs(), nil)
	for i, why := range []*kerr.Error{kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend} { // it is written all the same
		fault := b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "orders", Err: why, Count: 3})
		accept(t, k, toTopic("orders"), fmt.Sprint("order ", i))
		if fault.Hits() != 3 {
			t.Fatalf("%d attempts failed", fault.Hits())
		}
	}
	// Nothing is acknowledged in time, and then the next one is.
	b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "orders", Err: kerr.RequestTimedOut, Count: -1,
		When: func(r kmsg.Request) bool {
			return bytes.Contains(r.(*kmsg.ProduceRequest).Topics[0].Partitions[0].Records, []byte("order 2"))
		}})
	hurried := toTopic("orders")
	hurried.Timeout = time.Second
	refused(t, k, hurried, "order 2", http.StatusGatewayTimeout, problem.UpstreamTimeout)
	accept(t, k, toTopic("orders"), "order 3")
	var got []string
	for _, r := range recordsOf(t, b, "orders") {
		got = append(got, string(r.Value))
	}
	if want := []string{"order 0", "order 1", "order 2", "order 3"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestARecordThatMayBeWrittenIsNotWrittenUnderAnotherNumber(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "orders"))
	k := openTarget(t, b.ListenAddrs(), nil)
	for _, why := range []*kerr.Error{kerr.OutOfOrderSequenceNumber, kerr.TopicAuthorizationFailed} {
		b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "orders", Err: kerr.RequestTimedOut}, // it is written all the same
			kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "orders", Err: why})
		refused(t, k, toTopic("orders"), "x", http.StatusGatewayTimeout, problem.UpstreamTimeout)
	}
	accept(t, k, toTopic("orders"), "y")
	if all := recordsOf(t, b, "orders"); len(all) != 3 {
		t.Errorf("%d records", len(all))
	}
}

func TestAPartitionGoesOnWhereItsLeaderIs(t *testing.T) {
	b, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(1, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	k := openTarget(t, b.ListenAddrs(), nil)
	for i := range 6 {
		if err := b.MoveTopicPartition("orders", 0, int32(i%2)); err != nil {
			t.Fatal(err)
		}
		accept(t, k, toTopic("orders"), fmt.Sprint(i))
	}
	if all := recordsOf(t, b, "orders"); len(all) != 6 {
		t.Errorf("%d records", len(all))
	}
}

func TestABrokerThatHasForgottenTheProducerIsToldAnew(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "orders"))
	k := openTarget(t, b.ListenAddrs(), nil)
	accept(t, k, toTopic("orders"), "1")
	for _, why := range []*kerr.Error{kerr.UnknownProducerID, kerr.OutOfOrderSequenceNumber, kerr.InvalidProducerEpoch} {
		b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "orders", Err: why})
		accept(t, k, toTopic("orders"), "2")
	}
	if all := recordsOf(t, b, "orders"); len(all) != 4 {
		t.Errorf("%d records", len(all))
	}
}

func TestARecordThatIsTooLargeIsRefusedAlone(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "orders"))
	k := openTarget(t, b.ListenAddrs(), nil)
	large := strings.Repeat("x", 1000)
	b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "orders", Err: kerr.MessageTooLarge, Count: -1,
		When: func(r kmsg.Request) bool {
			return bytes.Contains(r.(*kmsg.ProduceRequest).Topics[0].Partitions[0].Records, []byte(large))
		}})
	// The first one keeps the lane at work, so that the others become one batch.
	b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "orders", Err: kerr.RequestTimedOut, Count: 2})
	var posting sync.WaitGroup
	var small, big atomic.Int64
	for i := range 20 {
		posting.Go(func() {
			body := fmt.Sprint("small ", i)
			if i%5 == 4 {
				body = large
			}
			_, err := post(t, k, toTopic("orders"), body)
			switch {
			case err == nil && body != large:
				small.Add(1)
			case err != nil && body == large && problem.Of(err).Status == http.StatusRequestEntityTooLarge:
				big.Add(1)
			default:
				t.Errorf("%.10s: %v", body, err)
			}
		})
	}
	posting.Wait()
	if small.Load() != 16 || big.Load() != 4 || len(recordsOf(t, b, "orders")) != 16 {
		t.Errorf("%d accepted, %d refused, %d records", small.Load(), big.Load(), len(recordsOf(t, b, "orders")))
	}
	r := toTopic("orders")
	r.BodyLimit = 100
	refused(t, k, r, large, http.StatusRequestEntityTooLarge, problem.TooLarge)
}

// A topic that is compacted takes no record without a key.
func TestARecordThatKafkaRefusesIsRefusedAlone(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "orders"))
	k := openTarget(t, b.ListenAddrs(), nil)
	b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "orders", Err: kerr.InvalidRecord, Count: -1,
		When: func(r kmsg.Request) bool {
			return bytes.Contains(r.(*kmsg.ProduceRequest).Topics[0].Partitions[0].Records, []byte("no key"))
		}})
	// The first one keeps the lane at work, so that the others become one batch.
	b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "orders", Err: kerr.RequestTimedOut, Count: 2})
	var posting sync.WaitGroup
	for i := range 21 {
		posting.Go(func() {
			body, bad := fmt.Sprint("good ", i), i%5 == 4
			if bad {
				body = fmt.Sprint("no key ", i)
			}
			_, err := post(t, k, toTopic("orders"), body)
			if (err != nil) != bad || bad && problem.Of(err).Status != http.StatusBadGateway {
				t.Errorf("%s: %v", body, err)
			}
		})
	}
	posting.Wait()
	if all := recordsOf(t, b, "orders"); len(all) != 17 {
		t.Errorf("%d records", len(all))
	}
}

func TestWhatKafkaWillNeverTakeIsRefused(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "orders"))
	k := openTarget(t, b.ListenAddrs(), nil)
	for why, status := range map[*kerr.Error]int{
		kerr.TopicAuthorizationFailed: http.StatusServiceUnavailable, kerr.InvalidRecord: http.StatusBadGateway, kerr.PolicyViolation: http.StatusBadGateway,
	} {
		b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "orders", Err: why})
		refused(t, k, toTopic("orders"), "x", status, problem.UpstreamUnavailable)
	}
	accept(t, k, toTopic("orders"), "x")
	if all := recordsOf(t, b, "orders"); len(all) != 1 {
		t.Errorf("%d records", len(all))
	}
}

func TestManyRequestsAreWrittenOnceEach(t *testing.T) {
	t.Parallel()
	b := newBroker(t, kfake.SeedTopics(3, "orders", "slow"))
	k := openTarget(t, b.ListenAddrs(), nil)
	b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "slow", Err: kerr.RequestTimedOut, Count: -1})
	slow := toTopic("slow")
	slow.Timeout = 2 * time.Second
	var posting sync.WaitGroup
	for range 50 {
		posting.Go(func() {
			if _, err := post(t, k, slow, "x"); err == nil || problem.Of(err).Status != http.StatusGatewayTimeout {
				t.Errorf("%v, want 504", err)
			}
		})
	}
	const each = 50
	for w := range 20 {
		posting.Go(func() {
			for i := range each {
				if _, err := post(t, k, toTopic("orders"), fmt.Sprint(w, "/", i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	posting.Wait()
	seen := map[string]int{}
	for _, r := range recordsOf(t, b, "orders") {
		seen[string(r.Value)]++
	}
	for v, n := range seen {
		if n != 1 {
			t.Errorf("%s is there %d times", v, n)
		}
	}
	if len(seen) != 20*each {
		t.Errorf("%d records", len(seen))
	}
}

func TestAClientThatGoesIsNotWaitedFor(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "orders"))
	k := openTarget(t, b.ListenAddrs(), nil)
	b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "orders", Err: kerr.RequestTimedOut, Count: -1})
	ctx, cancel := context.WithCancelCause(t.Context())
	in := httptest.NewRequestWithContext(ctx, http.MethodPost, "/x", strings.NewReader("x"))
	in = in.WithContext(route.WithCall(ctx, &route.Call{Route: toTopic("orders"), Request: in, Correlation: "c"}))
	gone := problem.New(problem.TokenRevoked, "revoked")
	time.AfterFunc(50*time.Millisecond, func() { cancel(gone) })
	if _, err := k.RoundTrip(in); err != gone {
		t.Errorf("%v, want the cause of the context", err)
	}
}

func TestRoutesProveWhoTheyAre(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "orders", "answers"), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "weft", "secret"))
	login := func(password string) func(*bridge.KafkaConfig) {
		return func(k *bridge.KafkaConfig) {
			k.SASL = &bridge.SASL{Mechanism: bridge.MechanismSHA512, User: "weft", Password: password}
		}
	}
	k := openTarget(t, b.ListenAddrs(), newReplies(), login("secret"))
	accept(t, k, toTopic("orders"), "x")
	awaitReading(t, k, "answers")
	stranger := openTarget(t, b.ListenAddrs(), newReplies(), login("wrong"))
	began := time.Now()
	refused(t, stranger, toTopic("orders"), "x", http.StatusServiceUnavailable, problem.UpstreamUnavailable)
	if p := problem.Of(stranger.Ready(t.Context(), "answers")); p.Status != http.StatusServiceUnavailable {
		t.Error(p)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestOnlyTheBrokerMakesTopicsAndNoneForAnswers(t *testing.T) {
	b := newBroker(t, kfake.AllowAutoTopicCreation())
	k := openTarget(t, b.ListenAddrs(), newReplies())
	accept(t, k, toTopic("orders"), "x")
	if p := problem.Of(k.Ready(t.Context(), "answers")); p.Status != http.StatusServiceUnavailable {
		t.Error(p)
	}
	if b.TopicInfo("orders") == nil || b.TopicInfo("answers") != nil {
		t.Error("the wrong topics are there")
	}
}
