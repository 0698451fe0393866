package target

import (
	"sync"
	"sync/atomic"

	"github.com/IBM/sarama"
)

// links are the connections that records are sent over. A broker answers the requests of a
// connection one after the other, and a produce request only when the replicas have it: so
// partitions whose replicas are slow have a connection of their own.
type links struct {
	conf *sarama.Config

	mu      sync.Mutex
	closed  bool
	open    map[link]*connection
	closing sync.WaitGroup
}

// A link is one of the two connections to a broker.
type link struct {
	address string
	slow    bool
}

// A connection counts its requests, which a broker answers in their order.
type connection struct {
	*sarama.Broker
	sent, answered atomic.Int64
}

func newLinks(conf *sarama.Config) *links {
	return &links{conf: conf, open: map[link]*connection{}}
}

// to returns a connection, which may still be connecting: a request over it waits for that.
func (l *links) to(at link) (*connection, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, sarama.ErrClosedClient
	}
	b := l.open[at]
	if b == nil {
		b = &connection{Broker: sarama.NewBroker(at.address)}
		if err := b.Open(l.conf); err != nil {
			return nil, err
		}
		l.open[at] = b
	}
	return b, nil
}

// drop closes a connection that has failed; the next request makes another one.
func (l *links) drop(at link, b *connection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[at] == b {
		delete(l.open, at)
		l.end(b)
	}
}

// end closes a connection, for which it may have to wait. Those whose requests are on
// their way over it are told.
func (l *links) end(b *connection) {
	l.closing.Go(func() { _ = b.Close() }) // it has failed, or nobody waits for it
}

// close closes all connections.
func (l *links) close() {
	l.mu.Lock()
	l.closed = true
	for at, b := range l.open {
		delete(l.open, at)
		l.end(b)
	}
	l.mu.Unlock()
	l.closing.Wait()
}
