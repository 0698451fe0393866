package kafka

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/IBM/sarama"
)

const (
	// watchEvery is how often idle partitions are looked at.
	watchEvery = time.Second
	// watchVersion of Fetch is the greatest before the flexible ones; brokers
	// take it since 2.3.
	watchVersion = 11
)

// watch looks at what lies behind the last record of each idle partition, until
// ctx ends. There may be markers of transactions, and records of aborted ones:
// they have offsets, and the consumer hands nothing on for them. Without a look
// they would count as lag, and the committed offset would stay before them, until
// a record follows. And while a transaction is open the consumer does not learn
// how far the log goes.
func (s *session) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		leaders := map[*sarama.Broker][]*claim{}
		for _, c := range s.metrics.lag.of(s) {
			c.beginAtOldest()
			if !c.idle() {
				continue
			}
			if leader, err := s.client.Leader(c.topic, c.partition); err == nil { // else another time
				leaders[leader] = append(leaders[leader], c)
			}
		}
		for leader, idle := range leaders {
			for len(idle) > 0 && ctx.Err() == nil {
				idle = s.fetchIdle(leader, idle)
			}
		}
	}
}

// fetchIdle asks one broker about idle partitions, and returns those where more may
// lie behind what was found.
func (s *session) fetchIdle(leader *sarama.Broker, idle []*claim) (again []*claim) {
	req := &sarama.FetchRequest{Version: watchVersion, MaxBytes: 16 * fetchBytes, SessionEpoch: -1}
	if s.opts.Kafka.ReadCommitted {
		req.Isolation = sarama.ReadCommitted
	}
	stored := s.store.Place() // before the broker says how far the log goes
	from := make([]int64, len(idle))
	for i, c := range idle {
		from[i] = c.position.next.Load()
		req.AddBlock(c.topic, c.partition, from[i], fetchBytes, -1)
	}
	resp, err := leader.Fetch(req)
	if err != nil {
		return nil // the consumer finds out by itself, and says so
	}
	for i, c := range idle {
		block := resp.GetBlock(c.topic, c.partition)
		if block == nil || block.Err != sarama.ErrNoError {
			continue
		}
		c.high.Store(block.HighWaterMarkOffset)
		if to := passable(block, from[i]); to > from[i] && c.idle() && c.position.next.Load() == from[i] {
			c.stored(to-1, c.position.current())
			if c.position.next.Load() >= to { // else something refused holds it up
				again = append(again, c)
			}
		}
		if end := c.position.next.Load(); end == block.HighWaterMarkOffset && c.idle() {
			c.caughtUp(end, stored)
		}
	}
	return again
}

// beginAtOldest learns where a partition begins of which nothing is committed and
// nothing came: it may begin with a transaction that is open, or aborted.
func (c *claim) beginAtOldest() {
	if c.from != sarama.OffsetOldest || c.position.next.Load() >= 0 || c.seen.Load() > 0 {
		return
	}
	if oldest, err := c.client.GetOffset(c.topic, c.partition, sarama.OffsetOldest); err == nil {
		c.position.next.CompareAndSwap(-1, oldest)
	}
}

// idle reports whether all that came is settled. What next says is then where
// the next record will be, or something that is none.
func (c *claim) idle() bool {
	next := c.position.next.Load()
	return next >= 0 && next >= c.seen.Load() && len(c.messages.Messages()) == 0
}

// passable returns the offset up to which, beginning with from, a block of a
// fetch holds nothing that the consumer would hand on: markers of transactions
// and records of aborted ones, which are told as in the fetch itself (KIP-98).
func passable(block *sarama.FetchResponseBlock, from int64) int64 {
	aborted := slices.SortedFunc(slices.Values(block.AbortedTransactions), func(a, b *sarama.AbortedTransaction) int {
		return cmp.Compare(a.FirstOffset, b.FirstOffset)
	})
	open := map[int64]bool{} // producers, inside of a transaction that is aborted
	for _, records := range block.RecordsSet {
		batch := records.RecordBatch
		if batch == nil || batch.PartialTrailingRecord {
			return from
		}
		for len(aborted) > 0 && aborted[0].FirstOffset <= batch.LastOffset() {
			open[aborted[0].ProducerID] = true
			aborted = aborted[1:]
		}
		switch {
		case batch.Control:
			if isAbort(batch) {
				delete(open, batch.ProducerID)
			}
		case batch.IsTransactional && open[batch.ProducerID]:
		case slices.ContainsFunc(batch.Records, func(r *sarama.Record) bool { return batch.FirstOffset+r.OffsetDelta >= from }):
			return from
		}
		from = max(from, batch.LastOffset()+1)
	}
	return from
}

// isAbort reports whether a control batch ends a transaction that is aborted. Its
// record's key is a version and a type of 16 bits each; 0 is that of an abort.
func isAbort(batch *sarama.RecordBatch) bool {
	return len(batch.Records) == 1 && len(batch.Records[0].Key) >= 4 && binary.BigEndian.Uint16(batch.Records[0].Key[2:]) == 0
}
