package kafka_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"weft/bridge"
	"weft/bridge/target"
	"weft/edge/problem"
	"weft/edge/route"
	"weft/edge/route/template"
)

// openTarget opens a target that runs until the test ends.
func openTarget(t testing.TB, brokers []string, replies target.Replies, change ...func(*bridge.KafkaConfig)) *target.Kafka {
	t.Helper()
	cfg := bridge.Default().Kafka
	cfg.Brokers = brokers
	for _, c := range change {
		c(&cfg)
	}
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
