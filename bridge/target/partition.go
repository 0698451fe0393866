package target

import (
	"sync/atomic"

	"github.com/IBM/sarama"
)

// A partition of a topic that is read. It has a position once it is made, and keeps it.
type partition struct {
	*following
	number   int32
	next     atomic.Int64 // offset of the next record
	consumer sarama.PartitionConsumer
	ended    chan struct{} // closed when consumer has; nil before the first
}

// reading reports whether records come; they do until the consumer gives up.
func (p *partition) reading() bool {
	if p.ended == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// start reads from the next record on. A position that the partition does not have means
// that records are gone, or that it was made anew: then all there is is read, which loses
// nothing.
func (p *partition) start() error {
	oldest, err := p.asks.GetOffset(p.name, p.number, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	newest, err := p.asks.GetOffset(p.name, p.number, sarama.OffsetNewest)
	if err != nil {
		return err
	}
	if next := p.next.Load(); next < oldest || next > newest {
		p.next.Store(oldest)
	}
	c, err := p.following.consumer.ConsumePartition(p.name, p.number, p.next.Load())
	if err != nil {
		return err
	}
	p.consumer, p.ended = c, make(chan struct{})
	p.running.Go(func() { p.read(c, p.ended) })
	return nil
}

// read hands on what comes.
func (p *partition) read(c sarama.PartitionConsumer, ended chan<- struct{}) {
	defer close(ended)
	for m := range c.Messages() {
		p.take(m)
		p.next.Store(m.Offset + 1)
	}
	p.look() // it may have to begin again
}

// stop ends the reading, and waits for that.
func (p *partition) stop() {
	if p.ended != nil {
		p.consumer.AsyncClose()
		<-p.ended
	}
}
