package kafka

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"weft/jetstream/store"
)

const (
	// markEvery is how often a session hands on what is to be committed: a fraction of
	// commitInterval, so that a commit is not much older for it.
	markEvery = 50 * time.Millisecond
	// refreshAfter is how far the stream has gone on before the commit of a partition
	// of which nothing comes is made again, with a newer place. The tail of the stream
	// that is read after a claim begins at the oldest place of all its partitions.
	refreshAfter = 20_000
)

// A position is how far a claim is settled, and behind which place in the stream the
// rest is. It is marked for the next commit now and then: the metadata of a commit
// is a text, which is not made for each record.
type position struct {
	// next is the offset that is next to be committed; -1: not yet known. It is
	// written with the lock held.
	next atomic.Int64

	mu     sync.Mutex
	place  store.Place // zero: not known
	marked int64       // the offset that was marked last, -1 for none
	at     store.Place // the place with which it was
	ended  bool
}

// begin is called before all else.
func (p *position) begin(next int64, place store.Place) {
	p.next.Store(next)
	p.marked, p.place, p.at = next, place, place
}

// advance settles all before an offset.
func (p *position) advance(to int64, place store.Place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if to > p.next.Load() {
		p.next.Store(to)
		p.place = place
	}
}

// refresh takes a newer place for the same offset when it is worth a commit. It
// reports whether the claim is still there.
func (p *position) refresh(next int64, place store.Place) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || next != p.next.Load() {
		return false
	}
	if p.marked >= 0 && !place.IsZero() && (place.Stream != p.place.Stream || place.Seq >= p.place.Seq+refreshAfter) {
		p.place = place
	}
	return true
}

// current returns the place of the next offset.
func (p *position) current() store.Place {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.place
}

// mark marks what is to be committed. last is for the end of the claim: another may
// have the partition then.
func (p *position) mark(sess sarama.ConsumerGroupSession, topic string, partition int32, last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	p.ended = last
	next := p.next.Load()
	switch {
	case next > p.marked:
		sess.MarkOffset(topic, partition, next, metadataOf(p.place, next))
	case next == p.marked && p.place != p.at:
		sess.ResetOffset(topic, partition, next, metadataOf(p.place, next))
	default:
		return
	}
	p.marked, p.at = next, p.place
}
