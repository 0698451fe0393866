package target

import (
	"context"
	"crypto/tls"
	"errors"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"weft/bridge"
	"weft/bridge/broker"
	"weft/jetstream/ratelog"
)

const (
	// fetchBytes is asked for per partition and request: it bounds memory.
	fetchBytes = 128 << 10
	// fetchWait is for how long a broker waits for records before it says that there are
	// none.
	fetchWait = 250 * time.Millisecond
	// fetchAhead is how many records of a partition wait to be looked at.
	fetchAhead = 16
	// fetchTimeout bounds a broker's silence.
	fetchTimeout = 5 * time.Second
	// lookEvery is how often a reply topic is looked at for partitions that are new; an
	// answer that comes by one waits for it.
	lookEvery = time.Second
	// linger is for how long a topic is read on that no route names any more: requests run
	// on with the route that they began with, and wait for ten minutes at most.
	linger = 11 * time.Minute
	// staleAfter is the age from which a failure does not count as news.
	staleAfter = 250 * time.Millisecond
)

// A reader reads all partitions of the topics that answers come by.
type reader struct {
	asks     sarama.Client // for questions
	fetches  sarama.Client // for fetches alone: a broker answers those late
	consumer sarama.Consumer
	take     func(*sarama.ConsumerMessage)
	limited  *ratelog.Log

	ctx     context.Context // ends with the reader
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu     sync.Mutex
	closed bool
	topics map[string]*following
}

// newReader makes a reader that connects when there is something to read. take is called
// with each record, by one goroutine per partition.
func newReader(k *bridge.KafkaConfig, secure *tls.Config, take func(*sarama.ConsumerMessage), limited *ratelog.Log) (*reader, error) {
	asks := broker.Config(k, secure)
	asks.Net.DialTimeout, asks.Net.ReadTimeout, asks.Net.WriteTimeout = dialTimeout, askTimeout, askTimeout
	fetches := broker.Config(k, secure)
	fetches.Net.DialTimeout, fetches.Net.ReadTimeout = dialTimeout, fetchTimeout
	fetches.Consumer.Fetch.Default = fetchBytes
	fetches.Consumer.MaxWaitTime = fetchWait
	fetches.Consumer.Retry.BackoffFunc = func(retries int) time.Duration {
		return min(pauseFirst<<min(retries, 10), lookEvery)
	}
	fetches.ChannelBufferSize = fetchAhead
	if k.ReadCommitted {
		fetches.Consumer.IsolationLevel = sarama.ReadCommitted
	}
	for _, c := range []*sarama.Config{asks, fetches} {
		c.Metadata.RefreshFrequency, c.Metadata.Retry.Max = 0, 0
		c.Metadata.AllowAutoTopicCreation = false // to look for a topic must not make it
	}
	r := &reader{take: take, limited: limited, topics: map[string]*following{}}
	var err error
	if r.asks, err = sarama.NewClient(k.Brokers, asks); err != nil { // does not connect: Metadata.Full is false
		return nil, err
	}
	if r.fetches, err = sarama.NewClient(k.Brokers, fetches); err != nil {
		return nil, errors.Join(err, r.asks.Close())
	}
	if r.consumer, err = sarama.NewConsumerFromClient(&fetchClient{r.fetches, r.asks}); err != nil {
		return nil, errors.Join(err, r.asks.Close(), r.fetches.Close())
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r, nil
}

// A fetchClient asks for offsets where no fetch is in the way.
type fetchClient struct {
	sarama.Client
	asks sarama.Client
}

// GetOffset implements sarama.Client.
func (f *fetchClient) GetOffset(topic string, partition int32, at int64) (int64, error) {
	return f.asks.GetOffset(topic, partition, at)
}

// follow says which topics are read from now on.
func (r *reader) follow(names []string) {
	named := make(map[string]bool, len(names))
	for _, name := range names {
		named[name] = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, f := range r.topics {
		if wanted := named[name]; wanted != f.wanted {
			f.wanted, f.asked = wanted, time.Now()
		}
	}
	for _, name := range names {
		if f := r.topicLocked(name); f != nil {
			f.wanted = true
		}
	}
}

// topicLocked returns a topic, which is read from now on if it was not; nil when the
// reader is closed.
func (r *reader) topicLocked(name string) *following {
	f := r.topics[name]
	if f == nil && !r.closed {
		f = newFollowing(r, name)
		r.topics[name] = f
		r.running.Go(f.run)
	}
	return f
}

// ready returns when a topic is read, from an end that was so before ready was called or
// while it ran. Its errors are problems.
func (r *reader) ready(ctx context.Context, name string) error {
	for began := time.Now(); ; {
		r.mu.Lock()
		f := r.topicLocked(name)
		if f == nil {
			r.mu.Unlock()
			return unread(sarama.ErrClosedClient)
		}
		f.asked = time.Now()
		ok, err, old, looked := f.ok, f.err, f.lookedAt.Before(began.Add(-staleAfter)), f.looked
		r.mu.Unlock()
		switch {
		case ok:
			return nil
		case err != nil && !old:
			return unread(err)
		}
		f.look()
		select {
		case <-looked:
		case <-ctx.Done():
			return unread(ctx.Err())
		}
	}
}

// unread is what a request is told whose answer could not be read.
func unread(err error) error {
	if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		return unavailable("Kafka does not have the topic that answers come by; the request was not sent", 0)
	}
	return unavailable("the topic that answers come by cannot be read; the request was not sent", time.Second)
}

// forget takes a topic out that nobody wants; false: somebody does.
func (r *reader) forget(f *following) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed && (f.wanted || time.Since(f.asked) < linger) {
		return false
	}
	delete(r.topics, f.name)
	return true
}

// close ends all reading.
func (r *reader) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.cancel()
	r.running.Wait()
	_ = r.consumer.Close() // there is nothing to lose in what only reads
	_ = r.fetches.Close()
	_ = r.asks.Close()
}
