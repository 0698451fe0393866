package target

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/IBM/sarama"
)

const (
	// ackTimeout is for how long a broker waits for the replicas before it says that they
	// are late. The batch is sent again then, and waits on.
	ackTimeout = 500 * time.Millisecond
	// responseTimeout is for how long a response is waited for before the connection is
	// given up. Another one may have held it up.
	responseTimeout = ackTimeout + time.Second
	// patience is for how long a batch that was not written is tried again while brokers
	// are there: a partition gets another leader in that time, or it is away.
	patience = 2 * time.Second
	// Pauses between attempts, doubled up to the second.
	pauseFirst = 20 * time.Millisecond
	pauseMost  = 500 * time.Millisecond
	// quick is an acknowledgement by which a partition is not slow any more.
	quick = 100 * time.Millisecond
)

// An identity is a producer id, and the number that the next record of a lane has under it.
type identity struct {
	known bool
	id    int64
	epoch int16
	next  int32
}

// fence goes on to the next epoch (KIP-360), in which numbers begin anew.
func (i *identity) fence() {
	if i.epoch == math.MaxInt16 {
		i.known = false
	}
	i.epoch, i.next = i.epoch+1, 0
}

// A delivery is the attempts to write a batch.
type delivery struct {
	*lane
	batch  []*record
	sealed *sarama.RecordBatch // what is sent, byte for byte the same each time; nil until it has a number
	sent   bool                // it may have been written
	last   error               // of the last attempt
}

// run ends when all of the batch is answered.
func (d *delivery) run() {
	began, until, wait := time.Now(), d.until(), pauseFirst
	for {
		switch d.attempt(until) {
		case written:
			d.identity.next = int32((int64(d.identity.next) + int64(len(d.batch))) & math.MaxInt32)
			d.answer(nil)
			return
		case never:
			if d.sent { // an attempt before may have written it
				d.giveUp()
				return
			}
			if ofRecords(d.last) && len(d.batch) > 1 {
				d.split()
				return
			}
			d.fail()
			return
		case renew:
			d.identity.known = false
			if d.sent { // under another number it might be written twice
				d.giveUp()
				return
			}
			d.sealed = nil
		case unknown:
			d.sent = true
		case again:
			d.leader = ""
		}
		now := time.Now()
		switch {
		case d.ctx.Err() != nil || !now.Before(until):
			d.giveUp()
			return
		case !d.sent && (gone(d.last) || now.Sub(began) > patience || errors.Is(d.last, errNoTopic)):
			d.fail()
			return
		}
		select {
		case <-time.After(min(wait, until.Sub(now))):
		case <-d.ctx.Done():
		}
		wait = min(2*wait, pauseMost)
	}
}

// until is when nobody waits any more.
func (d *delivery) until() time.Time {
	latest := d.batch[0].deadline
	for _, r := range d.batch {
		if r.deadline.After(latest) {
			latest = r.deadline
		}
	}
	return latest
}

func (d *delivery) answer(err error) {
	for _, r := range d.batch {
		r.finish(err)
	}
}

// fail answers what was surely not written.
func (d *delivery) fail() {
	if errors.Is(d.last, sarama.ErrUnknownTopicOrPartition) {
		d.topics.forget(d.topic)
	}
	d.limited.Warn("write "+d.topic, "records cannot be written to Kafka", "topic", d.topic, "partition", d.partition, "err", d.last)
	d.answer(problemOf(d.last))
}

// giveUp answers what may have been written, or may yet be: a request can wait at a broker
// that hangs. So the next batch has the next epoch, with which the partition refuses what
// was sent before.
func (d *delivery) giveUp() {
	if d.sent {
		d.identity.fence()
	}
	d.limited.Warn("write "+d.topic, "Kafka has not acknowledged records in time", "topic", d.topic, "partition", d.partition, "err", d.last)
	d.answer(late())
}

// split delivers both halves, each by itself: some records are refused, or all together are
// too large.
func (d *delivery) split() {
	half := len(d.batch) / 2
	for _, part := range [][]*record{d.batch[:half], d.batch[half:]} {
		(&delivery{lane: d.lane, batch: part}).run()
	}
}

// errNoTopic is wrapped by the error of an attempt when the brokers agree that there is no
// such topic or partition.
var errNoTopic = errors.New("there is no such topic or partition")

// errNoResponse is the error of an attempt that was not answered.
var errNoResponse = errors.New("no response")

// attempt sends the batch once, and says what has come of it.
func (d *delivery) attempt(until time.Time) verdict {
	if err := d.prepare(); err != nil {
		d.last = err
		return again
	}
	at := link{d.leader, d.slow}
	over, err := d.links.to(at)
	if err != nil {
		d.last = err
		return again
	}
	type result struct {
		response *sarama.ProduceResponse
		err      error
	}
	done := make(chan result, 1)
	request := &sarama.ProduceRequest{RequiredAcks: sarama.WaitForAll, Timeout: int32(ackTimeout / time.Millisecond), Version: 7}
	request.AddBatch(d.topic, d.partition, d.sealed)
	began, turn := time.Now(), over.sent.Add(1)
	err = over.AsyncProduce(request, func(response *sarama.ProduceResponse, err error) {
		if err == nil {
			over.answered.Add(1)
		}
		done <- result{response, err}
	})
	if err != nil { // no whole request was written
		d.last = err
		d.links.drop(at, over)
		if _, bad := errors.AsType[sarama.PacketEncodingError](err); bad {
			return never
		}
		return again
	}
	var r result
	timer := time.NewTimer(min(time.Until(until), responseTimeout))
	defer timer.Stop()
	select {
	case r = <-done:
	case <-timer.C:
		d.last = errNoResponse
		d.slow = over.answered.Load() == turn-1 // it is this one that the broker is at
		if time.Since(began) >= responseTimeout {
			d.links.drop(at, over)
		}
		return unknown
	case <-d.ctx.Done():
		d.last = d.ctx.Err()
		return unknown
	}
	if r.err != nil {
		d.last, d.leader = r.err, ""
		d.links.drop(at, over)
		return unknown
	}
	block := r.response.GetBlock(d.topic, d.partition)
	if block == nil {
		d.last = sarama.ErrIncompleteResponse
		return unknown
	}
	d.last = block.Err
	v := judge(block.Err)
	switch took := time.Since(began); {
	case v == unknown:
		d.slow = true
	case v == written && took < quick:
		d.slow = false
	}
	return v
}

// prepare finds the leader, and gives the batch its numbers.
func (d *delivery) prepare() error {
	if d.leader == "" {
		if d.last != nil { // what is known has been found wrong
			if err := d.client.RefreshMetadata(d.topic); err != nil {
				if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
					err = fmt.Errorf("%w: %w", errNoTopic, err)
				}
				return err
			}
		}
		leader, err := d.client.Leader(d.topic, d.partition)
		if err != nil {
			return err
		}
		d.leader = leader.Addr()
	}
	if !d.identity.known {
		response, err := d.client.InitProducerID()
		if err == nil && response.Err != sarama.ErrNoError {
			err = response.Err
		}
		if err != nil {
			return fmt.Errorf("begin as a producer: %w", err)
		}
		d.identity = identity{known: true, id: response.ProducerID, epoch: response.ProducerEpoch}
	}
	if d.sealed == nil {
		d.seal()
	}
	return nil
}

// seal makes of the batch what is sent.
func (d *delivery) seal() {
	first := d.batch[0].made
	b := &sarama.RecordBatch{Version: 2, Codec: sarama.CompressionNone, ProducerID: d.identity.id, ProducerEpoch: d.identity.epoch,
		FirstSequence: d.identity.next, FirstTimestamp: first, MaxTimestamp: first, LastOffsetDelta: int32(len(d.batch) - 1)}
	for i, r := range d.batch {
		b.Records = append(b.Records, &sarama.Record{Key: r.key, Value: r.value, Headers: r.headers,
			OffsetDelta: int64(i), TimestampDelta: r.made.Sub(first)})
		if r.made.After(b.MaxTimestamp) {
			b.MaxTimestamp = r.made
		}
	}
	d.sealed = b
}

// ofRecords reports whether an error that a broker gives for a batch may be due to some of
// its records: one that is too large, that has no key in a topic which is compacted, or that
// is older than its topic allows.
func ofRecords(err error) bool {
	for _, e := range []error{sarama.ErrMessageSizeTooLarge, sarama.ErrMessageSetSizeTooLarge, sarama.ErrInvalidMessageSize,
		sarama.ErrInvalidRecord, sarama.ErrInvalidMessage, sarama.ErrInvalidTimestamp, sarama.ErrPolicyViolation} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
