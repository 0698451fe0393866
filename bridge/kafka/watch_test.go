package kafka

import (
	"testing"

	"github.com/IBM/sarama"
)

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
