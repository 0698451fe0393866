package kafka_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"weft/bridge"
	"weft/config/testkit/slow"
)

// transaction begins one and writes orders of a user, numbered from first.
func transaction(t *testing.T, p *kgo.Client, user string, first, n int) {
	t.Helper()
	if err := p.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		p.Produce(t.Context(), order(user, first+i), func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func end(t *testing.T, p *kgo.Client, how kgo.TransactionEndTry) {
	t.Helper()
	if err := p.EndTransaction(t.Context(), how); err != nil {
		t.Fatal(err)
	}
}

func TestOfTransactionsTheCommittedOnesAreStoredOnceAndInOrder(t *testing.T) {
	slow.Test(t, "lag to be measured")
	b := newBroker(t, kfake.SeedTopics(1, "orders"))
	store := newMemory()
	r := start(t, options(b), store)
	one, two := newProducer(t, b, kgo.TransactionalID("one")), newProducer(t, b, kgo.TransactionalID("two"))
	plain := newProducer(t, b)
	settled := func(what string, stored int, offset int64) {
		t.Helper()
		eventually(t, what, func() bool {
			return store.count() == stored && committed(b, "orders", 0) == offset && r.metric(t, "weft_kafka_lag_records", "topic", "orders") == 0
		})
	}
	transaction(t, one, "ann", 0, 3)
	end(t, one, kgo.TryCommit)
	settled("a commit is stored, and its marker passed", 3, 4)
	transaction(t, one, "gone", 0, 5)
	end(t, one, kgo.TryAbort)
	settled("of an abort nothing is stored, and its records are passed", 3, 10)

	// One is open: what follows it waits, and counts as lag.
	transaction(t, one, "bob", 0, 2)
	transaction(t, two, "gone", 0, 2)
	produce(t, plain, order("ann", 3))
	eventually(t, "what waits behind an open transaction is lag", func() bool {
		return r.metric(t, "weft_kafka_lag_records", "topic", "orders") == 5
	})
	if store.count() != 3 || committed(b, "orders", 0) != 10 {
		t.Errorf("%d stored, committed %d; want 3 and 10", store.count(), committed(b, "orders", 0))
	}
	end(t, two, kgo.TryAbort)
	end(t, one, kgo.TryCommit)
	settled("the end of the open one", 6, 17)
	for _, e := range store.all() {
		if strings.Contains(e.Subject, "gone") {
			t.Errorf("an event of an aborted transaction: %s %s", e.Subject, e.Data)
		}
	}
	next := map[string]int{}
	for _, e := range store.all() {
		if want := fmt.Sprintf(`"n":%d}`, next[e.Subject]); !strings.HasSuffix(string(e.Data), want) {
			t.Errorf("%s: %s, want …%s", e.Subject, e.Data, want)
		}
		next[e.Subject]++
	}
}

func TestATopicThatBeginsWithATransactionIsWatchedFromItsBeginning(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "orders"))
	store := newMemory()
	p := newProducer(t, b, kgo.TransactionalID("one"))
	transaction(t, p, "gone", 0, 3)
	r := start(t, options(b), store)
	eventually(t, "what is open is lag", func() bool { return r.metric(t, "weft_kafka_lag_records", "topic", "orders") == 3 })
	end(t, p, kgo.TryAbort)
	eventually(t, "what was aborted is passed", func() bool {
		return committed(b, "orders", 0) == 4 && r.metric(t, "weft_kafka_lag_records", "topic", "orders") == 0
	})
	if store.count() != 0 {
		t.Errorf("%d events of an aborted transaction", store.count())
	}
}

func TestUncommittedRecordsAreReadOnlyByThoseWhoAskForIt(t *testing.T) {
	b := newBroker(t, kfake.SeedTopics(1, "orders"))
	store := newMemory()
	r := start(t, options(b, func(k *bridge.KafkaConfig) { k.ReadCommitted = false }), store)
	p := newProducer(t, b, kgo.TransactionalID("one"))
	transaction(t, p, "ann", 0, 3)
	eventually(t, "records of an open transaction are stored", func() bool { return store.count() == 3 })
	end(t, p, kgo.TryAbort)
	eventually(t, "the marker is passed", func() bool {
		return committed(b, "orders", 0) == 4 && r.metric(t, "weft_kafka_lag_records", "topic", "orders") == 0
	})
}
