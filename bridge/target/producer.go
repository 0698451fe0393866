package target

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"weft/bridge"
	"weft/bridge/broker"
	"weft/jetstream/ratelog"
)

const (
	// dialTimeout and askTimeout bound questions to a broker; while one hangs, topics that
	// are known are written to on.
	dialTimeout = 2 * time.Second
	askTimeout  = 3 * time.Second
	// produceTimeout bounds a broker's silence on a connection that records are sent over.
	produceTimeout = 2 * responseTimeout
	// openRequests is how many batches, of different partitions, are on their way over one
	// connection.
	openRequests = 256
)

// A producer writes records. It is idempotent: each lane has a producer id and numbers its
// batches, so that one that is sent again is written once. It is safe for concurrent use.
type producer struct {
	client  sarama.Client // for questions alone
	links   *links
	topics  *topics
	limited *ratelog.Log

	ctx     context.Context // ends with the producer
	cancel  context.CancelFunc
	running sync.WaitGroup // lanes at work

	mu     sync.Mutex
	closed bool
	lanes  map[place]*lane
}

// A place is a partition of a topic.
type place struct {
	topic     string
	partition int32
}

// newProducer makes a producer, which connects when the first record comes.
func newProducer(k *bridge.KafkaConfig, secure *tls.Config, limited *ratelog.Log) (*producer, error) {
	asks := broker.Config(k, secure)
	asks.Net.DialTimeout, asks.Net.ReadTimeout, asks.Net.WriteTimeout = dialTimeout, askTimeout, askTimeout
	asks.Metadata.RefreshFrequency = 0
	asks.Metadata.Retry.Max = 0
	client, err := sarama.NewClient(k.Brokers, asks) // does not connect: Metadata.Full is false
	if err != nil {
		return nil, err
	}
	sends := broker.Config(k, secure)
	sends.Net.DialTimeout, sends.Net.ReadTimeout, sends.Net.WriteTimeout = dialTimeout, produceTimeout, produceTimeout
	sends.Net.MaxOpenRequests = openRequests
	sends.Net.Proxy.Enable, sends.Net.Proxy.Dialer = true, dialer{net.Dialer{Timeout: dialTimeout}}
	p := &producer{client: client, links: newLinks(sends), limited: limited, lanes: map[place]*lane{}}
	p.topics = newTopics(client)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p, nil
}

// send returns when all in-sync replicas have a record. Its errors are problems. When ctx
// ends first, the record may yet be written.
func (p *producer) send(ctx context.Context, topic string, r *record) error {
	if err := p.hand(ctx, topic, r); err != nil {
		return problemOf(err)
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		p.limited.Warn("late "+topic, "Kafka has not acknowledged a record in time", "topic", topic)
		return late()
	}
}

// hand gives a record to the lane of its partition. When that cannot be, the record is
// finished.
func (p *producer) hand(ctx context.Context, topic string, r *record) error {
	n, err := p.topics.partitions(ctx, topic)
	if err != nil {
		p.limited.Warn("find "+topic, "a topic cannot be written to", "topic", topic, "err", err)
		r.finish(err)
		return err
	}
	l := p.lane(place{topic, partitionOf(r.key, n)})
	if l == nil {
		r.finish(sarama.ErrClosedClient)
		return sarama.ErrClosedClient
	}
	l.put(r)
	return nil
}

// lane returns the lane of a partition; nil when the producer is closed.
func (p *producer) lane(at place) *lane {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	l := p.lanes[at]
	if l == nil {
		l = &lane{producer: p, place: at}
		p.lanes[at] = l
	}
	return l
}

// close ends all; whoever waits is answered.
func (p *producer) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cancel()
	p.links.close() // nobody waits for a response any more
	p.running.Wait()
	_ = p.client.Close() // it has nothing to lose
}

// start runs a lane that has work, unless the producer is closed.
func (p *producer) start(work func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.running.Go(work)
	return true
}
