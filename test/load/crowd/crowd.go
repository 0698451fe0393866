// Package crowd is many subscribers of an event server in one small process: so
// cheap that what is measured is the server.
//
// Over plain HTTP/1.1 the subscribers are raw sockets in one epoll set per
// worker. A subscriber is a record of some 300 bytes, without a goroutine,
// a buffer or a parsed message of its own: what arrives is read into the buffer
// of its worker and searched for marks (see Mark), which tell each event's
// subject, number and time. Over TLS, where there is no way around crypto/tls, a
// subscriber is an ordinary goroutine, so the client's cost is another there.
//
// Each subscriber knows the numbers that it has seen, so that every lost,
// doubled or overtaken event is counted, exactly, also under load.
package crowd

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Transport is how subscribers listen.
type Transport string

// The transports.
const (
	SSE       Transport = "sse"
	WebSocket Transport = "websocket"
)

// Protocol is what carries the transport.
type Protocol string

// The protocols. Over HTTP2 there are subscribers of SSE only.
const (
	Plain Protocol = "http"
	TLS   Protocol = "https"
	HTTP2 Protocol = "h2"
)

// Config says whom a crowd follows and how.
type Config struct {
	// Target is the server and what each subscriber asks of it.
	Target Target
	// Ready is a text with which the server tells that a subscriber's
	// subscription is in force. Without one, the head of the response does.
	Ready string
	// Subject is the number of the subject that subscriber i follows.
	Subject func(i int) uint32
	// Workers is how many epoll sets there are; 0 is one.
	Workers int
	// Connecting bounds the handshakes under way at once; 0 is 128.
	Connecting int
}

// readyLimit bounds how long nobody may get ready while a crowd grows.
const readyLimit = 30 * time.Second

// A Crowd is subscribers that hold a connection each. Its methods may be called
// concurrently, but for Grow and Close.
type Crowd struct {
	cfg    Config
	shards []*shard
	kind   kind
	size   int

	ready     atomic.Int64
	delivered atomic.Int64
	arrived   [ring]atomic.Int64
	changed   chan struct{}

	mu  sync.Mutex
	err error // the first that a connection ended with
}

// ring is how many events may be in flight of which the crowd counts the
// arrivals each: beyond that, counts of two events would mix.
const ring = 64

// MaxInFlight bounds what Arrived can tell apart.
const MaxInFlight = ring / 2

// kind is how the subscribers of a crowd are run.
type kind interface {
	// grow begins to connect until there are n. It does not wait.
	grow(n int) error
	// close ends everything and waits for it.
	close()
}

// New makes an empty crowd.
func New(cfg Config) (*Crowd, error) {
	if cfg.Workers <= 0 {
		cfg.Workers = 1
	}
	if cfg.Connecting <= 0 {
		cfg.Connecting = 128
	}
	if cfg.Subject == nil {
		cfg.Subject = func(int) uint32 { return 0 }
	}
	c := &Crowd{cfg: cfg, changed: make(chan struct{}, 1)}
	var err error
	if cfg.Target.Protocol() == Plain {
		c.kind, err = newSockets(c)
	} else {
		c.kind, err = newStreams(c)
	}
	return c, err
}

// Grow connects subscribers until n are ready. It fails when one is refused or
// ends, or when nobody gets ready for half a minute.
func (c *Crowd) Grow(ctx context.Context, n int) error {
	if n <= c.size {
		return nil
	}
	c.size = n
	if err := c.kind.grow(n); err != nil {
		return err
	}
	idle := time.NewTimer(readyLimit)
	defer idle.Stop()
	last := c.ready.Load()
	for {
		now := c.ready.Load()
		if err := c.Err(); err != nil {
			return fmt.Errorf("connect %d subscribers: %d are ready: %w", n, now, err)
		}
		if now >= int64(n) {
			return nil
		}
		if now != last {
			last = now
			idle.Reset(readyLimit)
		}
		select {
		case <-c.changed:
		case <-idle.C:
			return fmt.Errorf("connect %d subscribers: %d are ready and no more come", n, now)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Size is how many subscribers were asked for.
func (c *Crowd) Size() int { return c.size }

// Changed has a value after something arrived or a subscriber ended. It is for
// one reader.
func (c *Crowd) Changed() <-chan struct{} { return c.changed }

// Delivered is how many events have reached a subscriber, all together.
func (c *Crowd) Delivered() int64 { return c.delivered.Load() }

// Arrived is how many subscribers the event of that number has reached, when no
// more than MaxInFlight are in flight and Forget was called for those before.
func (c *Crowd) Arrived(number uint32) int64 { return c.arrived[number%ring].Load() }

// Forget makes room for the event that will have the place of this one.
func (c *Crowd) Forget(number uint32) { c.arrived[number%ring].Store(0) }

// Err is the first error with which a subscriber was refused or ended.
func (c *Crowd) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Begin forgets the latencies seen so far: what follows is measured.
func (c *Crowd) Begin() {
	for _, s := range c.shards {
		s.mu.Lock()
		s.latency = Latency{}
		s.mu.Unlock()
	}
}

// Report tells what the subscribers have seen. sent is how many events were
// published on a subject.
func (c *Crowd) Report(sent func(subject uint32) uint32) Report {
	var r Report
	for _, s := range c.shards {
		s.mu.Lock()
		r.add(s, sent)
		s.mu.Unlock()
	}
	return r
}

// Close ends all subscribers. It may be called twice.
func (c *Crowd) Close() { c.kind.close() }

// errEnded is the error of a subscriber whose server has closed the connection.
var errEnded = errors.New("the server ended the connection")

func (c *Crowd) fail(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
	}
	c.mu.Unlock()
	c.wake()
}

func (c *Crowd) wake() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}
