package kafka_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
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
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weft/bridge"
	"weft/bridge/target"
	"weft/edge/problem"
	"weft/edge/route"
	"weft/edge/route/template"
)

// openTarget opens a target that runs until the test ends.
func openTarget(t testing.TB, brokers []string, replies target.Replies) *target.Kafka {
	t.Helper()
	cfg := bridge.Default().Kafka
	cfg.Brokers = brokers
	log, _ := newLog(t)
	k, err := target.New(cfg, replies, log, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return k
}

// toTopic is a route to a topic.
func toTopic(topic string) *route.Route {
	return &route.Route{Name: "r", Scheme: route.Kafka, Targets: []route.Target{{Text: "kafka://" + topic, Host: topic}},
		BodyLimit: 1 << 20, Timeout: 20 * time.Second}
}

// post sends a body by a route.
func post(t testing.TB, k *target.Kafka, r *route.Route, body string, header ...string) (*http.Response, error) {
	t.Helper()
	in := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/x", strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		in.Header.Add(header[i], header[i+1])
	}
	return k.RoundTrip(in.WithContext(route.WithCall(in.Context(), &route.Call{Route: r, Request: in, Correlation: "c." + body[:min(len(body), 20)]})))
}

// refused asks for the problem with which a post ends.
func refused(t testing.TB, k *target.Kafka, r *route.Route, body string, status int, code problem.Code) {
	t.Helper()
	res, err := post(t, k, r, body)
	if err == nil {
		t.Fatalf("answered %d, want %d", res.StatusCode, status)
	}
	if p := problem.Of(err); p.Status != status || p.Code != code {
		t.Fatalf("%d %v, want %d %s", p.Status, err, status, code)
	}
}

func accept(t testing.TB, k *target.Kafka, r *route.Route, body string, header ...string) {
	t.Helper()
	res, err := post(t, k, r, body, header...)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusAccepted {
		t.Fatalf("answered %d", res.StatusCode)
	}
}

// recordsOf are all that a topic of some partitions holds.
func recordsOf(t testing.TB, b *kfake.Cluster, topic string) (all []*kgo.Record) {
	t.Helper()
	from, left := map[int32]kgo.Offset{}, 0
	for _, p := range b.PartitionInfos(topic) {
		from[p.Partition] = kgo.NewOffset().AtStart()
		left += int(p.HighWatermark)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.ListenAddrs()...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for len(all) < left && t.Context().Err() == nil {
		all = append(all, cl.PollFetches(t.Context()).Records()...)
	}
	return all
}

func headersOf(r *kgo.Record) (all []string) {
	for _, h := range r.Headers {
		all = append(all, h.Key+"="+string(h.Value))
	}
	return all
}

func mustTemplate(t testing.TB, text string) *template.Template {
	t.Helper()
	p, err := template.Parse(text, template.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestARequestBecomesARecord(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "orders"))
	k := openTarget(t, b.ListenAddrs(), nil)
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	r := toTopic("orders")
	r.Key = mustTemplate(t, "{header:x-order}")
	r.Reply = &route.Reply{Topic: "answers"}
	res, err := post(t, k, r, "n1"+string(every), "Content-Type", "text/plain", "Weft-User", "ann", "X-Order", "7", "Ce-Subject", "s%20t",
		"Weft-Correlation", "forged", "Weft-Reply-Topic", "forged", "Connection", "x")
	if err != nil {
		t.Fatal(err)
	}
	var said struct{ ID string }
	body, _ := io.ReadAll(res.Body)
	if err := json.Unmarshal(body, &said); err != nil || res.StatusCode != 202 || res.Header.Get("Content-Type") != "application/json" || !strings.HasPrefix(said.ID, "c.n1") {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	accept(t, k, r, "") // without a key, and empty, which is no tombstone

	all := recordsOf(t, b, "orders")
	if len(all) != 2 {
		t.Fatalf("%d records", len(all))
	}
	if got := all[0]; !bytes.Equal(got.Value, append([]byte("n1"), every...)) || string(got.Key) != "7" {
		t.Errorf("key %q, value %q", got.Key, got.Value)
	}
	want := []string{"ce_subject=s t", "content-type=text/plain", "weft-user=ann", "x-order=7", "weft-correlation=" + said.ID, "weft-reply-topic=answers"}
	if got := headersOf(all[0]); !slices.Equal(got, want) {
		t.Errorf("headers %q, want %q", got, want)
	}
	if got := all[1]; got.Key != nil || got.Value == nil || len(got.Value) != 0 {
		t.Errorf("key %v, value %v", got.Key, got.Value)
	}
}

func TestARouteMakesACloudEvent(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "orders"))
	k := openTarget(t, b.ListenAddrs(), nil)
	r := toTopic("orders")
	r.CloudEvent = &route.CloudEvent{Type: mustTemplate(t, "order.{header:x-state}"), Source: "/shop"}
	refused(t, k, r, "no state", http.StatusForbidden, problem.Forbidden)
	accept(t, k, r, "e1", "X-State", "paid", "Ce-Type", "forged", "Ce-Id", "forged", "Ce-Subject", "s", "Content-Type", "application/json")
	all := recordsOf(t, b, "orders")
	if len(all) != 1 {
		t.Fatalf("%d records", len(all))
	}
	got := headersOf(all[0])
	at := strings.TrimPrefix(got[len(got)-1], "ce_time=")
	if made, err := time.Parse(time.RFC3339Nano, at); err != nil || time.Since(made) > time.Minute {
		t.Errorf("ce_time %q", at)
	}
	want := []string{"ce_subject=s", "content-type=application/json", "x-state=paid", "weft-correlation=c.e1",
		"ce_specversion=1.0", "ce_id=c.e1", "ce_type=order.paid", "ce_source=/shop"}
	if !slices.Equal(got[:len(got)-1], want) {
		t.Errorf("headers %q, want %q", got, want)
	}
}

func TestAKeyGoesWhereKafkasOwnProducersPutIt(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(7, "ours", "theirs"))
	k := openTarget(t, b.ListenAddrs(), nil)
	r := toTopic("ours")
	r.Key = mustTemplate(t, "{header:x-key}")
	p, err := kgo.NewClient(kgo.SeedBrokers(b.ListenAddrs()...)) // its partitioner is that of the Java client
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for i := range 30 {
		accept(t, k, r, "x", "X-Key", fmt.Sprint("key", i))
		produce(t, p, &kgo.Record{Topic: "theirs", Key: fmt.Append(nil, "key", i)})
	}
	where := map[string]int32{}
	for _, r := range recordsOf(t, b, "theirs") {
		where[string(r.Key)] = r.Partition
	}
	for _, r := range recordsOf(t, b, "ours") {
		if where[string(r.Key)] != r.Partition {
			t.Errorf("%s is in %d, not in %d", r.Key, r.Partition, where[string(r.Key)])
		}
	}
}

func TestATopicThatIsMissingHoldsUpNothing(t *testing.T) {
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
	if took := time.Since(began); took > 5*time.Second {
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
	if took := time.Since(began); took > 10*time.Second {
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
	hurried.Timeout = 300 * time.Millisecond
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
