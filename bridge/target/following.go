package target

import (
	"fmt"
	"slices"
	"time"

	"github.com/IBM/sarama"
)

// A following is a topic that is read.
type following struct {
	*reader
	name string
	kick chan struct{} // has a token when a look is due

	// Guarded by the mutex of the reader.
	wanted   bool          // a route names it
	asked    time.Time     // when somebody wanted it last
	ok       bool          // the last look found all partitions in place
	err      error         // of the last look
	lookedAt time.Time     // when that was; zero before the first
	looked   chan struct{} // closed and replaced after each look

	// What follows belongs to run.
	id         sarama.Uuid // of the topic; one that is made anew has another
	partitions map[int32]*partition
	// complete says that all partitions were in place once, or that there was no topic:
	// what comes after is new, and read from its beginning.
	complete bool
}

func newFollowing(r *reader, name string) *following {
	return &following{reader: r, name: name, asked: time.Now(), kick: make(chan struct{}, 1), looked: make(chan struct{}),
		partitions: map[int32]*partition{}}
}

// look asks for a look soon.
func (f *following) look() {
	select {
	case f.kick <- struct{}{}:
	default:
	}
}

// run keeps the partitions read until nobody wants the topic.
func (f *following) run() {
	defer func() {
		for _, p := range f.partitions {
			p.stop()
		}
	}()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	trouble := true
	for {
		err := f.arrange()
		switch {
		case f.ctx.Err() != nil:
		case err == nil && trouble:
			f.limited.Info("read "+f.name, "answers are read", "topic", f.name, "partitions", len(f.partitions))
			trouble = false
		case err != nil:
			trouble = true
			f.limited.Warn("answers "+f.name, "the topic that answers come by cannot be read; trying on", "topic", f.name, "err", err)
		}
		f.mu.Lock()
		f.ok, f.err, f.lookedAt = err == nil, err, time.Now()
		close(f.looked)
		f.looked = make(chan struct{})
		f.mu.Unlock()
		select {
		case <-tick.C:
		case <-f.kick:
		case <-f.ctx.Done():
		}
		if f.forget(f) {
			return
		}
	}
}

// arrange looks at the topic and puts each partition in place that is not.
func (f *following) arrange() error {
	about, err := f.describe()
	switch {
	case err != nil:
		return err
	case about.Err == sarama.ErrUnknownTopicOrPartition:
		f.complete = true
		return about.Err
	case about.Err != sarama.ErrNoError && about.Err != sarama.ErrLeaderNotAvailable:
		return about.Err
	case len(about.Partitions) == 0:
		return sarama.ErrLeaderNotAvailable
	}
	if about.Uuid != f.id {
		if f.id != (sarama.Uuid{}) { // deleted and made anew
			for n, p := range f.partitions {
				p.stop()
				delete(f.partitions, n)
			}
		}
		f.id = about.Uuid
	}
	var failed error
	for _, p := range about.Partitions {
		if err := f.place(p.ID); err != nil && failed == nil {
			failed = fmt.Errorf("partition %d: %w", p.ID, err)
		}
	}
	f.complete = f.complete || failed == nil
	return failed
}

// describe asks a broker about the topic.
func (f *following) describe() (*sarama.TopicMetadata, error) {
	ask := func() (*sarama.TopicMetadata, error) {
		b := f.asks.LeastLoadedBroker()
		if b == nil {
			return nil, sarama.ErrOutOfBrokers
		}
		answer, err := b.GetMetadata(sarama.NewMetadataRequest(f.asks.Config().Version, []string{f.name}))
		if err != nil {
			_ = b.Close() // it is opened again for the next question
			return nil, err
		}
		i := slices.IndexFunc(answer.Topics, func(t *sarama.TopicMetadata) bool { return t.Name == f.name })
		if i < 0 {
			return nil, sarama.ErrIncompleteResponse
		}
		return answer.Topics[i], nil
	}
	about, err := ask()
	if err != nil { // it may have been that broker alone: this looks for others
		if err := f.asks.RefreshMetadata(f.name); gone(err) {
			return nil, err
		}
		return ask()
	}
	return about, nil
}

// place sees to it that a partition is being read.
func (f *following) place(n int32) error {
	p := f.partitions[n]
	if p == nil {
		at := sarama.OffsetNewest
		if f.complete {
			at = sarama.OffsetOldest
		}
		next, err := f.asks.GetOffset(f.name, n, at)
		if err != nil {
			return err
		}
		p = &partition{following: f, number: n}
		p.next.Store(next)
		f.partitions[n] = p
	}
	if p.reading() {
		return nil
	}
	return p.start()
}
