package kafka_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"weft/bridge"
	"weft/jetstream/event"
)

func withDead(k *bridge.KafkaConfig) { k.Sources[0].DeadLetter = "dead" }

// letters reads n records of the topic dead.
func letters(t *testing.T, b *kfake.Cluster, n int) []*kgo.Record {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(b.ListenAddrs()...), kgo.ConsumeTopics("dead"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var records []*kgo.Record
	for len(records) < n && ctx.Err() == nil {
		records = append(records, c.PollFetches(ctx).Records()...)
	}
	if len(records) != n {
		t.Fatalf("%d letters, want %d", len(records), n)
	}
	return records
}

func headers(r *kgo.Record) map[string]string {
	h := map[string]string{}
	for _, x := range r.Headers {
		h[x.Key] = string(x.Value)
	}
	return h
}

func TestRecordsThatCannotBePlacedBecomeDeadLetters(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "orders", "dead"))
	store := newMemory()
	r := start(t, options(b, withDead), store)
	bad := []struct {
		value []byte
		cause bridge.Cause
	}{
		{[]byte("{"), bridge.CauseNotJSON},
		{[]byte("{\"user\":\"\xff\"}"), bridge.CauseNotJSON},
		{[]byte{}, bridge.CauseNotJSON},
		{[]byte(`{"state":"x"}`), bridge.CauseNoAddressee},
		{[]byte(`{"user":{},"state":"x"}`), bridge.CauseAddressee},
		{[]byte(`{"user":"","state":"x"}`), bridge.CauseAddressee},
		{[]byte(`{"user":"ann","state":"` + strings.Repeat("x", 200) + `"}`), bridge.CauseType},
		{[]byte(`{"user":"ann","state":"a\nb"}`), bridge.CauseType},
		{[]byte(`{"user":"ann","state":"x","text":"` + strings.Repeat("x", 1<<20) + `"}`), bridge.CauseTooLarge},
	}
	p := newProducer(t, b, kgo.ProducerBatchMaxBytes(4<<20))
	for _, rec := range bad {
		produce(t, p, &kgo.Record{Topic: "orders", Key: []byte("k"), Value: rec.value,
			Headers: []kgo.RecordHeader{{Key: "own", Value: []byte("1")}}})
	}
	produce(t, p, order("ann", 0))
	eventually(t, "the good one is stored", func() bool { return store.count() == 1 })
	for i, letter := range letters(t, b, len(bad)) {
		h := headers(letter)
		if string(letter.Key) != "k" || !bytes.Equal(letter.Value, bad[i].value) || h["own"] != "1" {
			t.Errorf("letter %d is not the record", i)
		}
		if h["weft-cause"] != string(bad[i].cause) || h["weft-topic"] != "orders" || h["weft-partition"] != "0" ||
			h["weft-offset"] != string(rune('0'+i)) || h["weft-error"] == "" {
			t.Errorf("letter %d, want %s: %q", i, bad[i].cause, h)
		}
	}
	eventually(t, "all is committed", func() bool { return committed(b, "orders", 0) == int64(len(bad)+1) })
	if got := r.log.count("cause=not_json"); got != 1 {
		t.Errorf("%d lines about one cause in a minute", got)
	}
	if got := r.metric(t, "weft_kafka_unplaced_total", "cause", "not_json"); got != 3 {
		t.Errorf("%v counted", got)
	}
}

func TestAKeyThatIsNoTextIsADeadLetterAndNobodysInbox(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "orders", "dead"))
	store := newMemory()
	r := start(t, options(b, withDead, func(k *bridge.KafkaConfig) { k.Sources[0].To = []string{"user.{key}"} }), store)
	keys := [][]byte{
		{0, 0, 0, 0, 0, 0, 0, 42},                     // a long
		{0, 0, 0, 0, 7, 6, 'a', 'n', 'n'},             // Avro with the id of its schema
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, // a long below 0
		[]byte("J\xfcrgen"),
	}
	p := newProducer(t, b)
	for _, key := range keys {
		produce(t, p, &kgo.Record{Topic: "orders", Key: key, Value: []byte(`{"state":"paid"}`)})
	}
	produce(t, p, order("ann", 0), &kgo.Record{Topic: "orders", Key: []byte("ann"), Value: []byte(`{"state":{"a":"b"}}`)})
	eventually(t, "the good ones are stored", func() bool { return store.count() == 2 })
	for i, letter := range letters(t, b, len(keys)) {
		if h := headers(letter); !bytes.Equal(letter.Key, keys[i]) || h["weft-cause"] != "binary" || !strings.Contains(h["weft-error"], "{key}") {
			t.Errorf("letter %d: key %q, %q", i, letter.Key, h)
		}
	}
	if got := r.metric(t, "weft_kafka_unplaced_total", "cause", "binary"); got != float64(len(keys)) {
		t.Errorf("%v counted", got)
	}
}

func TestWithoutDeadLetterTopicRecordsAreCounted(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "orders"))
	store := newMemory()
	r := start(t, options(b), store)
	produce(t, newProducer(t, b), &kgo.Record{Topic: "orders", Value: []byte("no")}, order("ann", 0))
	eventually(t, "all is committed", func() bool { return committed(b, "orders", 0) == 2 })
	if got := r.metric(t, "weft_kafka_unplaced_total", "topic", "orders", "cause", "not_json"); got != 1 || store.count() != 1 {
		t.Errorf("%v counted, %d stored", got, store.count())
	}
}

func TestDeadLetterTopicThatIsAwayHoldsThePartition(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "orders"))
	store := newMemory()
	r := start(t, options(b, withDead), store)
	produce(t, newProducer(t, b), &kgo.Record{Topic: "orders", Value: []byte("no")}, order("ann", 0))
	eventually(t, "it waits", func() bool { return r.log.count("the dead-letter topic is away") == 1 })
	if store.count() != 0 || committed(b, "orders", 0) > 0 {
		t.Fatal("it went on")
	}
	if err := b.CreateTopic("dead", 1, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it goes on", func() bool { return committed(b, "orders", 0) == 2 })
	letters(t, b, 1)
}

func TestDeadLetterTopicThatRefusesIsCounted(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "orders", "dead"))
	b.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		produce := req.(*kmsg.ProduceRequest)
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, topic := range produce.Topics {
			if topic.Topic == "orders" || b.TopicIDInfo(topic.TopicID) != nil && b.TopicIDInfo(topic.TopicID).Topic == "orders" {
				return nil, nil, false
			}
			rt := kmsg.NewProduceResponseTopic()
			rt.Topic, rt.TopicID = topic.Topic, topic.TopicID
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition, rp.ErrorCode = topic.Partitions[0].Partition, kerr.MessageTooLarge.Code
			rt.Partitions = append(rt.Partitions, rp)
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil, true
	})
	store := newMemory()
	r := start(t, options(b, withDead), store)
	produce(t, newProducer(t, b), &kgo.Record{Topic: "orders", Value: []byte("no")}, order("ann", 0))
	eventually(t, "it goes on", func() bool { return committed(b, "orders", 0) == 2 })
	if got := r.metric(t, "weft_kafka_dead_letters_total", "topic", "dead", "result", "refused"); got != 1 {
		t.Errorf("%v refused", got)
	}
}

func TestWhatTheStoreRefusesBecomesADeadLetterBeforeItsOffsetIsCommitted(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "orders"))
	store := newMemory()
	store.refuse = func(e event.Event) error {
		if bytes.Contains(e.Data, []byte(`"n":1}`)) {
			return errNever
		}
		return nil
	}
	r := start(t, options(b, withDead), store)
	produce(t, newProducer(t, b), order("ann", 0), order("ann", 1), order("ann", 2))
	eventually(t, "the others are stored", func() bool { return store.count() == 2 })
	eventually(t, "the letter waits", func() bool { return r.log.count("the dead-letter topic is away") == 1 })
	eventually(t, "what is before is committed", func() bool { return committed(b, "orders", 0) == 1 })
	if err := b.CreateTopic("dead", 1, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all is committed", func() bool { return committed(b, "orders", 0) == 3 })
	if h := headers(letters(t, b, 1)[0]); h["weft-cause"] != string(bridge.CauseRefused) {
		t.Errorf("%q", h)
	}
}
