package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"weft/test/stage"
)

// toKafka is the document of a route to a topic; more are fields and values.
func toKafka(pattern, topic string, more ...any) stage.Route {
	r := stage.Route{"pattern": pattern, "target": "kafka://" + topic, "auth": stage.Route{"mode": "none"}}
	for i := 0; i < len(more); i += 2 {
		r[more[i].(string)] = more[i+1]
	}
	return r
}

// A reached is the answer to a request by a route.
type reached struct {
	Status int
	Header http.Header
	Body   string
	Took   time.Duration
}

func (r reached) code() string {
	var p struct{ Code string }
	_ = json.Unmarshal([]byte(r.Body), &p)
	return p.Code
}

// id is the correlation of a 202.
func (r reached) id() string {
	var p struct{ ID string }
	_ = json.Unmarshal([]byte(r.Body), &p)
	return p.ID
}

// tryRoute sends a request; headers are name, value, ….
func tryRoute(ctx context.Context, method, url, body string, headers ...string) (reached, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return reached{}, err
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	began := time.Now()
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return reached{}, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return reached{answer.StatusCode, answer.Header, string(text), time.Since(began)}, err
}

func byRoute(t testing.TB, method, url, body string, headers ...string) reached {
	t.Helper()
	r, err := tryRoute(within(t, time.Minute), method, url, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A topicService is a back end that reads a topic from its end, and writes what it makes of
// each record.
type topicService struct {
	client *kgo.Client
	mu     sync.Mutex
	read   []*kgo.Record
}

// serveTopic starts one until the test ends. It returns when the topic is being read.
func serveTopic(t testing.TB, k *stage.Kafka, topic string, partitions int32, each func(*kgo.Record) []*kgo.Record) *topicService {
	t.Helper()
	from := map[int32]kgo.Offset{}
	ends, err := stage.EndOffsets(soon(t), k.Address, topic, partitions)
	if err != nil {
		t.Fatal(err)
	}
	for p, end := range ends {
		from[p] = kgo.NewOffset().At(end)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.Address), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
		kgo.ProducerLinger(0), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	s := &topicService{client: cl}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			for _, r := range cl.PollFetches(ctx).Records() {
				s.mu.Lock()
				s.read = append(s.read, r)
				s.mu.Unlock()
				for _, a := range each(r) {
					cl.Produce(ctx, a, nil)
				}
			}
		}
	})
	t.Cleanup(func() { cancel(); running.Wait(); cl.Close() })
	return s
}

// answersTo makes records that answer one; headers are name, value, ….
func answerTo(r *kgo.Record, topic string, partition int32, body string, headers ...string) *kgo.Record {
	a := &kgo.Record{Topic: topic, Partition: partition, Value: []byte(body),
		Headers: []kgo.RecordHeader{{Key: "weft-correlation", Value: []byte(recordHeader(r, "weft-correlation"))}}}
	for i := 0; i < len(headers); i += 2 {
		a.Headers = append(a.Headers, kgo.RecordHeader{Key: headers[i], Value: []byte(headers[i+1])})
	}
	return a
}

// recordHeader is the value of a header, "" without one.
func recordHeader(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// topicRecords are all of a topic.
func topicRecords(t testing.TB, k *stage.Kafka, topic string, partitions int32) (all []*kgo.Record) {
	t.Helper()
	ends, err := stage.EndOffsets(soon(t), k.Address, topic, partitions)
	if err == nil {
		err = stage.ReadTopic(soon(t), k.Address, topic, ends, func(r *kgo.Record) { all = append(all, r) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRequestsGoToKafka(t *testing.T) {
	k := broker(t)
	orders, events := topicNamed(t, k, "orders", 3), topicNamed(t, k, "events", 1)
	log := topicNamed(t, k, "requests", 1)
	n := stage.StartNode(t, stage.Settings(t.TempDir()).With("kafka.brokers", []any{k.Address}).With("routes_log_topic", log))
	token := stage.Token(t, "ann", map[string]any{"customer": "c 7"})

	t.Run("a record has the key, the headers and the body of its request, and no token", func(t *testing.T) {
		r := toKafka("POST /orders/{id}", orders, "key", "{/customer}/{id}", "request_headers", stage.Route{"pass": []any{"X-Mine"}, "set": stage.Route{"X-Set": "of {id}"}})
		r["auth"] = stage.Route{"mode": "token"}
		stage.PutRoute(t, n, "orders", r)
		body := "\x00\xff{\r\n" + strings.Repeat("x", 100_000)
		got := byRoute(t, "POST", n.URL()+"/orders/17?a=1", body, "Authorization", "Bearer "+token, "Content-Type", "text/x-order",
			"X-Mine", "mine", "X-Other", "other", "Ce-Subject", "s", "Weft-User", "forged", "Cookie", "weft_token="+token, "Weft-Correlation", "forged")
		if got.Status != 202 || got.id() == "" || got.Header.Get("Content-Type") != "application/json" {
			t.Fatalf("%d %s", got.Status, got.Body)
		}
		all := topicRecords(t, k, orders, 3)
		if len(all) != 1 {
			t.Fatalf("%d records at the 202", len(all))
		}
		rec := all[0]
		if string(rec.Key) != "c 7/17" || string(rec.Value) != body {
			t.Errorf("key %q, value of %d bytes", rec.Key, len(rec.Value))
		}
		for name, want := range map[string]string{"weft-correlation": got.id(), "weft-user": "ann", "weft-route": "orders", "weft-method": "POST",
			"weft-path": "/orders/17", "weft-query": "a=1", "content-type": "text/x-order", "x-mine": "mine", "x-set": "of 17", "ce_subject": "s",
			"weft-reply-topic": "", "x-other": "", "authorization": "", "cookie": "", "x-request-id": got.Header.Get("X-Request-Id")} {
			if have := recordHeader(rec, name); have != want {
				t.Errorf("%s: %q, want %q", name, have, want)
			}
		}
		for _, h := range rec.Headers {
			if h.Key != strings.ToLower(h.Key) || bytes.Contains(h.Value, []byte(token)) {
				t.Errorf("%s: %s", h.Key, h.Value)
			}
		}
	})
	t.Run("a route makes a CloudEvent", func(t *testing.T) {
		r := toKafka("POST /events", events, "cloudevent", stage.Route{"type": "order.{query:state}", "source": "/shop"})
		stage.PutRoute(t, n, "events", r)
		if got := byRoute(t, "POST", n.URL()+"/events", "{}"); got.Status != 403 || got.code() != "forbidden" {
			t.Errorf("%d %s without what the type is made of", got.Status, got.Body)
		}
		got := byRoute(t, "POST", n.URL()+"/events?state=paid", "{}")
		all := topicRecords(t, k, events, 1)
		if got.Status != 202 || len(all) != 1 || all[0].Key != nil {
			t.Fatalf("%d %s, %d records", got.Status, got.Body, len(all))
		}
		for name, want := range map[string]string{"ce_specversion": "1.0", "ce_id": got.id(), "ce_type": "order.paid", "ce_source": "/shop"} {
			if have := recordHeader(all[0], name); have != want {
				t.Errorf("%s: %q, want %q", name, have, want)
			}
		}
		if _, err := time.Parse(time.RFC3339, recordHeader(all[0], "ce_time")); err != nil {
			t.Error(err)
		}
	})
	t.Run("a topic that is missing is 503 at once, and nothing for other ones", func(t *testing.T) {
		stage.PutRoute(t, n, "missing", toKafka("POST /missing", "is-not-there-"+orders))
		var asking sync.WaitGroup
		for range 50 {
			asking.Go(func() {
				got, err := tryRoute(within(t, time.Minute), "POST", n.URL()+"/missing", "x")
				if err != nil || got.Status != 503 || got.code() != "upstream_unavailable" || got.Took > 15*time.Second {
					t.Errorf("%+v %v", got, err)
				}
			})
		}
		if got := byRoute(t, "POST", n.URL()+"/events?state=paid", "{}"); got.Status != 202 {
			t.Errorf("%d %s", got.Status, got.Body)
		}
		asking.Wait()
	})
	t.Run("a request without a key is refused by a topic that is compacted, and takes no other one along", func(t *testing.T) {
		compacted := fmt.Sprintf("compacted-%d", time.Now().UnixNano())
		if err := stage.CreateTopic(within(t, time.Minute), k.Address, compacted, 1, "cleanup.policy", "compact"); err != nil {
			t.Fatal(err)
		}
		stage.PutRoute(t, n, "compacted", toKafka("POST /compacted", compacted, "key", "{query:key}"))
		var asking sync.WaitGroup
		for i := range 60 {
			asking.Go(func() {
				query, want := "?key=k", 202
				if i%3 == 0 {
					query, want = "", 502
				}
				got, err := tryRoute(within(t, time.Minute), "POST", n.URL()+"/compacted"+query, "x")
				if err != nil || got.Status != want {
					t.Errorf("%s: %+v %v, want %d", query, got, err, want)
				}
			})
		}
		asking.Wait()
		if got := len(topicRecords(t, k, compacted, 1)); got != 40 {
			t.Errorf("%d records", got)
		}
	})
	t.Run("what is too large is 413", func(t *testing.T) {
		if got := byRoute(t, "POST", n.URL()+"/events?state=paid", strings.Repeat("x", 1<<20+1)); got.Status != 413 {
			t.Errorf("%d %s: larger than the route takes", got.Status, got.Body)
		}
		if got := byRoute(t, "POST", n.URL()+"/events?state=paid", strings.Repeat("x", 1<<20)); got.Status != 413 || got.code() != "too_large" {
			t.Errorf("%d %s: larger than the broker takes", got.Status, got.Body)
		}
	})
	t.Run("each request is logged to the topic", func(t *testing.T) {
		var lines []string
		eventually(t, 20*time.Second, "all are there", func() bool {
			lines = nil
			for _, r := range topicRecords(t, k, log, 1) {
				if recordHeader(r, "ce_type") != "weft.request" || recordHeader(r, "ce_id") == "" {
					t.Errorf("headers %v", r.Headers)
				}
				lines = append(lines, string(r.Value))
			}
			return len(lines) >= 116
		})
		if !slices.ContainsFunc(lines, func(l string) bool {
			return strings.Contains(l, `"route":"orders"`) && strings.Contains(l, `"status":202`) && strings.Contains(l, `"user":"ann"`)
		}) || slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, "state=paid") || strings.Contains(l, token) }) {
			t.Errorf("%s", strings.Join(lines, "\n"))
		}
	})
}

// topicNamed makes a topic whose name begins with a word.
func topicNamed(t testing.TB, k *stage.Kafka, word string, partitions int32) string {
	t.Helper()
	name := fmt.Sprintf("%s-%d", word, time.Now().UnixNano())
	if err := stage.CreateTopic(within(t, time.Minute), k.Address, name, partitions); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestARouteToKafkaWithoutBrokersIsAProblemOfTheNode(t *testing.T) {
	n := stage.StartNode(t, stage.Settings(t.TempDir()))
	stage.PutRoute(t, n, "orders", toKafka("POST /orders", "orders"))
	if got := byRoute(t, "POST", n.URL()+"/orders", "x"); got.Status != 503 || got.code() != "upstream_unavailable" {
		t.Errorf("%d %s", got.Status, got.Body)
	}
}

// Without its broker a node is ready, and says so to requests for it alone.
func TestRoutesToKafkaOutliveItsBroker(t *testing.T) {
	t.Parallel()
	k := ownBroker(t)
	in, out := topic(t, k, 1), topicNamed(t, k, "answers", 1)
	answering := func() *topicService {
		return serveTopic(t, k, in, 1, func(r *kgo.Record) []*kgo.Record {
			if recordHeader(r, "weft-reply-topic") == "" {
				return nil
			}
			return []*kgo.Record{answerTo(r, out, 0, string(r.Value))}
		})
	}
	k.Kill()
	n := stage.StartNode(t, stage.Settings(t.TempDir()).With("kafka.brokers", []any{k.Address})) // it is ready
	stage.PutRoute(t, n, "in", toKafka("POST /in", in))
	stage.PutRoute(t, n, "ask", toKafka("POST /ask", in, "reply", stage.Route{"topic": out, "timeout": "20s"}))
	away := func(path string) {
		t.Helper()
		got := byRoute(t, "POST", n.URL()+path, "x")
		if got.Status != 503 || got.code() != "upstream_unavailable" || got.Took > 15*time.Second {
			t.Errorf("%s: %d %s after %v", path, got.Status, got.Body, got.Took)
		}
	}
	away("/in")
	away("/ask")
	count := 0
	for range 2 {
		if err := k.Start(within(t, time.Minute)); err != nil {
			t.Fatal(err)
		}
		eventually(t, time.Minute, "Kafka that is back is written to", func() bool {
			got := byRoute(t, "POST", n.URL()+"/in", "x")
			if got.Status == 202 {
				count++
			}
			return got.Status == 202
		})
		service := answering()
		// The topic of the answers may be there a moment later; what was not sent is 503.
		eventually(t, 90*time.Second, "answers are read again", func() bool {
			got := byRoute(t, "POST", n.URL()+"/ask", "question")
			if got.Status != 503 && (got.Status != 200 || got.Body != "question") {
				t.Fatalf("%d %s", got.Status, got.Body)
			}
			return got.Status == 200
		})
		count++
		service.client.Close()
		if all := topicRecords(t, k, in, 1); len(all) != count {
			t.Errorf("%d records of %d requests that were accepted", len(all), count)
		}
		k.Kill()
		away("/in")
		eventually(t, 90*time.Second, "that no answer can be read is noticed", func() bool {
			return byRoute(t, "POST", n.URL()+"/ask", "x").Status == 503
		})
	}
}
