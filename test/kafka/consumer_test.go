package kafka_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"weft/bridge"
	"weft/bridge/kafka"
	"weft/config/testkit/slow"
	"weft/jetstream/event"
)

func TestEveryFormOfRecordReachesTheStore(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "orders", "raw"))
	n := openNode(t)
	r := start(t, options(b, func(k *bridge.KafkaConfig) {
		k.Sources[0].To = []string{"user.{/user}", "user.{/data/user}"}
		k.Sources = append(k.Sources, bridge.Source{Topic: "raw", To: []string{"topic.raw.{key}"}, Start: "oldest"})
	}), kafka.StoreOf(n.Store(), n.Cluster().Links().Majority))
	p := newProducer(t, b)
	structured := `{"specversion":"1.0","id":"1","source":"/s","type":"order.made","data":{"user":"ann"} }`
	header := func(k, v string) kgo.RecordHeader { return kgo.RecordHeader{Key: k, Value: []byte(v)} }
	produce(t, p,
		order("ann", 1),
		&kgo.Record{Topic: "orders", Value: []byte(structured), Headers: []kgo.RecordHeader{header("content-type", "application/cloudevents+json; charset=UTF-8")}},
		&kgo.Record{Topic: "orders", Value: []byte(`{"user":"ann"}`), Headers: []kgo.RecordHeader{header("ce_specversion", "1.0"),
			header("ce_id", "2"), header("ce_source", "/s"), header("ce_type", "order.binary"), header("Nats-Sequence", "9"), header("traceparent", "00-1-2-01")}},
		&kgo.Record{Topic: "orders", Key: []byte("gone")},
		&kgo.Record{Topic: "orders", Value: []byte(`{"user":["ann","bob"],"state":"shared"}`)},
		&kgo.Record{Topic: "raw", Key: []byte("a b"), Value: []byte{0xff, 0, '\r'}},
		&kgo.Record{Topic: "raw", Key: []byte("a b"), Value: []byte{}},
	)
	read := func(subject string) []event.Stored {
		batch, err := n.Store().Read(t.Context(), subject, 1, 100, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		return batch.Messages
	}
	eventually(t, "all events are stored", func() bool {
		return len(read("user.ann")) == 4 && len(read("user.bob")) == 1 && len(read("topic.raw.a=20b")) == 2
	})
	ann := read("user.ann")
	for i, want := range []struct{ kind, data string }{
		{"order.paid", `{"user":"ann","state":"paid","n":1}`}, {"order.made", `{"user":"ann"}`}, {"order.binary", `{"user":"ann"}`},
		{"order.shared", `{"user":["ann","bob"],"state":"shared"}`},
	} {
		if string(ann[i].Data) != want.data {
			t.Errorf("event %d: %q", i, ann[i].Data)
		}
		if kinds := ann[i].Header[event.HeaderType]; !slices.Equal(kinds, []string{want.kind}) {
			t.Errorf("event %d: types %q", i, kinds)
		}
	}
	for i, id := range map[int]string{1: "1", 2: "2"} {
		if h := ann[i].Header; event.FirstValue(h, "ce-id") != id || event.FirstValue(h, "ce-source") != "/s" || event.FirstValue(h, "ce-specversion") != "1.0" {
			t.Errorf("attributes of event %d: %q", i, h)
		}
	}
	if got := ann[2].Header["traceparent"]; !slices.Equal(got, []string{"00-1-2-01"}) {
		t.Errorf("traceparent: %q", got)
	}
	raw := read("topic.raw.a=20b")
	if !bytes.Equal(raw[0].Data, []byte{0xff, 0, '\r'}) || len(raw[1].Data) != 0 {
		t.Errorf("raw: %q %q", raw[0].Data, raw[1].Data)
	}
	eventually(t, "everything is committed", func() bool { return committed(b, "orders", 0) == 5 && committed(b, "raw", 0) == 2 })
	if got := r.metric(t, "weft_kafka_records_total", "outcome", "tombstone"); got != 1 {
		t.Errorf("%v tombstones", got)
	}
	eventually(t, "nothing is lag", func() bool { return r.metric(t, "weft_kafka_lag_records", "topic", "orders") == 0 })
}

// inOrder fails unless events hold each of total orders of each user once, in order.
func inOrder(t *testing.T, events []event.Event, users, total int) {
	t.Helper()
	next := map[string]int{}
	for _, e := range events {
		want := fmt.Appendf(nil, `"n":%d}`, next[e.Subject])
		if !bytes.HasSuffix(e.Data, want) {
			t.Fatalf("%s: got %s, want …%s", e.Subject, e.Data, want)
		}
		next[e.Subject]++
	}
	if len(next) != users {
		t.Fatalf("%d users, want %d", len(next), users)
	}
	for s, n := range next {
		if n != total {
			t.Fatalf("%s has %d events, want %d", s, n, total)
		}
	}
}

func TestRestartWithoutCommitStoresEachEventOnce(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(2, "orders"))
	p := newProducer(t, b)
	refuse := refuseCommits(b)
	store := newMemory()
	put := func(from, to int) {
		var records []*kgo.Record
		for n := from; n < to; n++ {
			for u := range 10 {
				rec := order(fmt.Sprintf("u%d", u), n)
				rec.Partition = int32(u % 2)
				records = append(records, rec)
			}
		}
		produce(t, p, records...)
	}
	put(0, 50)
	r := start(t, options(b), store)
	eventually(t, "the first are stored", func() bool { return store.count() == 500 })
	eventually(t, "and committed", func() bool { return committed(b, "orders", 0)+committed(b, "orders", 1) == 500 })
	refuse.Store(true)
	put(50, 300)
	eventually(t, "more are stored", func() bool { return store.count() == 3000 })
	r.stop()
	if got := committed(b, "orders", 0); got != 250 {
		t.Fatalf("committed %d: nothing is left to look up", got)
	}
	refuse.Store(false)
	put(300, 310)
	r = start(t, options(b), store)
	eventually(t, "the rest is committed", func() bool { return committed(b, "orders", 0)+committed(b, "orders", 1) == 3100 })
	inOrder(t, store.all(), 10, 310)
	if known := r.metric(t, "weft_kafka_records_total", "outcome", "known"); known != 2500 {
		t.Errorf("%v records were known, want 2500", known)
	}
}

func TestRebalanceLosesAndDoublesNothing(t *testing.T) {
	slow.Test(t, "members to join")
	b := newBroker(t, kfake.SeedTopics(6, "orders"))
	p := newProducer(t, b)
	store := newMemory()
	const users, total = 12, 150
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := range total {
			var records []*kgo.Record
			for u := range users {
				rec := order(fmt.Sprintf("u%d", u), n)
				rec.Partition = int32(u % 6)
				records = append(records, rec)
			}
			if err := p.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
				t.Error(err)
			}
			time.Sleep(10 * time.Millisecond) // a stream of records, not one heap
		}
	}()
	one := start(t, options(b), store)
	eventually(t, "the first is at work", func() bool { return store.count() > users })
	two := start(t, options(b), store)
	eventually(t, "both have partitions", func() bool {
		return one.metric(t, "weft_kafka_lag_records", "topic", "orders") >= 0 && two.metric(t, "weft_kafka_lag_records", "topic", "orders") >= 0
	})
	one.stop()
	<-done
	eventually(t, "all is stored", func() bool { return store.count() >= users*total })
	inOrder(t, store.all(), users, total)
	eventually(t, "all is committed", func() bool {
		sum := int64(0)
		for i := range int32(6) {
			sum += committed(b, "orders", i)
		}
		return sum == users*total
	})
}

// The partitions of a node that is cut off move to one that can store, though the
// node reaches Kafka still.
func TestANodeThatIsCutOffGivesItsPartitionsUp(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(2, "orders"))
	p := newProducer(t, b)
	all := newMemory()
	cut, lose := context.WithCancel(t.Context())
	defer lose()
	one := start(t, options(b), minority{all, cut})
	eventually(t, "the first is at work", func() bool { return one.Joined() })
	two := start(t, options(b), all)
	eventually(t, "the second is at work", func() bool { return two.Joined() })
	lose()
	eventually(t, "the first has left", func() bool { return !one.Joined() })
	for n := range 5 {
		for i, user := range []string{"u0", "u1"} {
			rec := order(user, n)
			rec.Partition = int32(i)
			produce(t, p, rec)
		}
	}
	eventually(t, "all is stored", func() bool { return all.count() == 10 })
	inOrder(t, all.all(), 2, 5)
	if one.log.count("left the Kafka consumer group") != 1 || one.log.count("level=ERROR") != 0 {
		t.Error("the log does not say once why")
	}
}

func TestStoreThatIsAwayIsBackPressure(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "orders"))
	p := newProducer(t, b)
	store := newMemory()
	store.setAway(true)
	r := start(t, options(b), store)
	for n := range 5 {
		produce(t, p, order("ann", n))
	}
	eventually(t, "the store is asked", func() bool { return r.log.count("cannot ask the store how far it goes") == 1 })
	if store.count() != 0 || committed(b, "orders", 0) > 0 {
		t.Fatal("something was stored or committed")
	}
	store.setAway(false)
	eventually(t, "all is committed", func() bool { return committed(b, "orders", 0) == 5 })
	inOrder(t, store.all(), 1, 5)
}

func TestKafkaMayBeAbsentAtStartAndIsSaidOnce(t *testing.T) {
	slow.Test(t, "Kafka to come")
	port := freePort(t)
	store := newMemory()
	r := start(t, options(nil, func(k *bridge.KafkaConfig) { k.Brokers = []string{fmt.Sprintf("127.0.0.1:%d", port)} }), store)
	eventually(t, "trouble is told", func() bool { return r.log.count("Kafka is in trouble") == 1 })
	if r.Joined() || r.metric(t, "weft_kafka_joined_members") != 0 {
		t.Error("joined without Kafka")
	}
	b := newBroker(t, kfake.SeedTopics(1, "orders"), kfake.Ports(port))
	produce(t, newProducer(t, b), order("ann", 0))
	eventually(t, "the record arrives", func() bool { return store.count() == 1 })
	if got := r.log.count("Kafka is in trouble"); got != 1 {
		t.Errorf("%d lines of trouble", got)
	}
	eventually(t, "the end of the trouble is told", func() bool { return r.Joined() && r.log.count("joined the Kafka consumer group") == 1 })
}

func TestAMemberComesBackAsTheOneItWas(t *testing.T) {
	slow.Test(t, "a member to be missed")
	b := newBroker(t, kfake.SeedTopics(1, "orders"))
	p := newProducer(t, b)
	store := newMemory()
	r := start(t, options(b, func(k *bridge.KafkaConfig) { k.SessionTimeout = time.Minute }), store)
	produce(t, p, order("ann", 0))
	eventually(t, "it works", func() bool { return store.count() == 1 })
	before := b.GroupInfo("weft").Members[0].MemberID

	var away atomic.Bool
	away.Store(true)
	b.Control(func(kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		return nil, io.EOF, away.Load()
	})
	eventually(t, "the trouble is told", func() bool { return r.log.count(`doing="connect to Kafka"`) > 0 })
	away.Store(false)
	produce(t, p, order("ann", 1))
	eventually(t, "the next record is stored", func() bool { return store.count() == 2 })
	if m := b.GroupInfo("weft").Members; len(m) != 1 || m[0].MemberID != before {
		t.Errorf("members %+v, want only %s", m, before)
	}
}

func TestCredentials(t *testing.T) {
	slow.Test(t, "a login to fail")
	b := newBroker(t, kfake.SeedTopics(1, "orders"), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "weft", "right"), kfake.Superuser("PLAIN", "weft", "right"))
	auth := scram.Auth{User: "weft", Pass: "right"}
	produce(t, newProducer(t, b, kgo.SASL(auth.AsSha512Mechanism())), order("ann", 0))
	login := func(mechanism, password string) kafka.Options {
		return options(b, func(k *bridge.KafkaConfig) {
			k.Group = "weft-" + mechanism
			k.SASL = &bridge.SASL{Mechanism: mechanism, User: "weft", Password: password}
		})
	}
	for _, mechanism := range []string{bridge.MechanismPlain, bridge.MechanismSHA512} {
		t.Run(mechanism+" right", func(t *testing.T) {
			store := newMemory()
			start(t, login(mechanism, "right"), store)
			eventually(t, "the record arrives", func() bool { return store.count() == 1 })
		})
		t.Run(mechanism+" wrong", func(t *testing.T) {
			r := start(t, login(mechanism, "wrong"), newMemory())
			eventually(t, "the hint is given", func() bool { return r.log.count("check kafka.sasl") == 1 })
			if r.log.count("wrong") > 0 {
				t.Error("the password is in the log")
			}
		})
	}
}

func TestMissingTopicDoesNotHoldUpOthers(t *testing.T) {
	slow.Test(t, "topics to be looked for again")
	b := newBroker(t, kfake.SeedTopics(1, "orders"))
	store := newMemory()
	r := start(t, options(b, func(k *bridge.KafkaConfig) {
		k.Sources = append(k.Sources, bridge.Source{Topic: "late", To: []string{"user.{key}"}})
	}), store)
	produce(t, newProducer(t, b), order("ann", 0))
	eventually(t, "the topic that is there is read", func() bool { return store.count() == 1 })
	eventually(t, "the missing topic is told", func() bool { return r.log.count("look for topic late") > 0 })
	if err := b.CreateTopic("late", 1, nil); err != nil {
		t.Fatal(err)
	}
	produce(t, newProducer(t, b), &kgo.Record{Topic: "late", Key: []byte("bob"), Value: []byte("x")})
	eventually(t, "the other is read as well", func() bool { return store.count() == 2 })
}

func TestStartAtNewestLosesNothingAfterwards(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "orders"))
	p := newProducer(t, b)
	newest := options(b, func(k *bridge.KafkaConfig) { k.Sources[0].Start = bridge.StartNewest })
	produce(t, p, order("ann", -1))
	store := newMemory()
	r := start(t, newest, store)
	eventually(t, "the beginning is committed", func() bool { return committed(b, "orders", 0) == 1 })
	r.stop()
	produce(t, p, order("ann", 0)) // nobody listens
	start(t, newest, store)
	eventually(t, "it arrives", func() bool { return store.count() > 0 })
	inOrder(t, store.all(), 1, 1)
}

func TestOldRecordsAreSkipped(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "orders"))
	old := order("ann", -1)
	old.Timestamp = time.Now().Add(-25 * time.Hour)
	produce(t, newProducer(t, b), old, order("ann", 0))
	store := newMemory()
	r := start(t, options(b), store)
	eventually(t, "both are settled", func() bool { return committed(b, "orders", 0) == 2 })
	inOrder(t, store.all(), 1, 1)
	if got := r.metric(t, "weft_kafka_records_total", "outcome", "expired"); got != 1 {
		t.Errorf("%v expired", got)
	}
}

func TestExpiredSessionSendsNothingMore(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "orders"))
	p := newProducer(t, b)
	store := newMemory()
	r := start(t, options(b, func(k *bridge.KafkaConfig) {
		k.Heartbeat, k.SessionTimeout = 100*time.Millisecond, time.Second
	}), store)
	produce(t, p, order("ann", 0))
	eventually(t, "it works", func() bool { return committed(b, "orders", 0) == 1 })
	var cut atomic.Bool
	cut.Store(true)
	b.ControlKey(int16(kmsg.Heartbeat), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		if !cut.Load() {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.HeartbeatResponse)
		resp.ErrorCode = kerr.UnknownMemberID.Code
		return resp, nil, true
	})
	store.setAway(true) // an event is on its way when the session is lost
	produce(t, p, order("ann", 1))
	eventually(t, "the claim lets go", func() bool { return r.metric(t, "weft_kafka_joined_members") == 0 })
	cut.Store(false)
	store.setAway(false)
	eventually(t, "the next session stores it", func() bool { return store.count() == 2 })
	inOrder(t, store.all(), 1, 2)
	if store.late != 0 {
		t.Errorf("%d events were put after the session was lost", store.late)
	}
}
