package kafka

import (
	"fmt"
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"weft/bridge"
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

func TestWhatIsPassedInALogHoldsNoRecordForUs(t *testing.T) {
	data := func(first int64, n int, producer int64) *sarama.Records {
		b := &sarama.RecordBatch{FirstOffset: first, LastOffsetDelta: int32(n - 1), ProducerID: producer, IsTransactional: producer >= 0}
		for i := range n {
			b.Records = append(b.Records, &sarama.Record{OffsetDelta: int64(i)})
		}
		return &sarama.Records{RecordBatch: b}
	}
	marker := func(at, producer int64, kind byte) *sarama.Records {
		r := data(at, 1, producer)
		r.RecordBatch.Control, r.RecordBatch.Records[0].Key = true, []byte{0, 0, 0, kind}
		return r
	}
	const abort, commit = 0, 1
	cut := data(20, 1, -1)
	cut.RecordBatch.PartialTrailingRecord = true
	aborted := func(list ...int64) (a []*sarama.AbortedTransaction) { // producer, first offset, …
		for i := 0; i < len(list); i += 2 {
			a = append(a, &sarama.AbortedTransaction{ProducerID: list[i], FirstOffset: list[i+1]})
		}
		return a
	}
	for name, c := range map[string]struct {
		records []*sarama.Records
		aborted []*sarama.AbortedTransaction
		want    int64
	}{
		"nothing":                         {nil, nil, 10},
		"the marker of a commit":          {[]*sarama.Records{marker(10, 1, commit)}, nil, 11},
		"a record":                        {[]*sarama.Records{data(10, 1, -1)}, nil, 10},
		"a record of a transaction":       {[]*sarama.Records{data(10, 1, 1), marker(11, 1, commit)}, nil, 10},
		"an aborted one":                  {[]*sarama.Records{data(10, 5, 1), marker(15, 1, abort)}, aborted(1, 10), 16},
		"an aborted one, from its middle": {[]*sarama.Records{data(8, 5, 1), marker(13, 1, abort)}, aborted(1, 8), 14},
		"an aborted one, then another":    {[]*sarama.Records{data(10, 1, 1), marker(11, 1, abort), data(12, 1, 1), marker(13, 1, abort)}, aborted(1, 12, 1, 10), 14},
		"an aborted one, then a record":   {[]*sarama.Records{data(10, 1, 1), marker(11, 1, abort), data(12, 1, -1), marker(13, 1, commit)}, aborted(1, 10), 12},
		"an aborted, then a good one":     {[]*sarama.Records{data(10, 1, 1), marker(11, 1, abort), data(12, 1, 1), marker(13, 1, commit)}, aborted(1, 10), 12},
		"one within the other":            {[]*sarama.Records{data(10, 1, 1), data(11, 1, 2), marker(12, 1, abort), data(13, 1, 2), marker(14, 2, commit)}, aborted(1, 10), 11},
		"two within each other":           {[]*sarama.Records{data(10, 1, 1), data(11, 1, 2), marker(12, 1, abort), data(13, 1, 2), marker(14, 2, abort)}, aborted(2, 11, 1, 10), 15},
		"a plain one of that producer":    {[]*sarama.Records{func() *sarama.Records { r := data(10, 1, 1); r.RecordBatch.IsTransactional = false; return r }()}, aborted(1, 10), 10},
		"a batch that begins before":      {[]*sarama.Records{data(8, 2, -1), marker(10, 1, commit)}, nil, 11},
		"a gap":                           {[]*sarama.Records{marker(14, 1, commit)}, nil, 15},
		"a batch that is cut":             {[]*sarama.Records{marker(10, 1, commit), cut}, nil, 11},
		"an old format":                   {[]*sarama.Records{{MsgSet: &sarama.MessageSet{}}}, nil, 10},
	} {
		block := &sarama.FetchResponseBlock{RecordsSet: c.records, AbortedTransactions: c.aborted}
		if got := passable(block, 10); got != c.want {
			t.Errorf("%s: up to %d, want %d", name, got, c.want)
		}
	}
}
