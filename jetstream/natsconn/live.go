package natsconn

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"weft/jetstream/event"
)

const (
	// liveRetry is the time between two tries to connect.
	liveRetry = 50 * time.Millisecond
	// liveGather is for how long subscriptions that nobody waits for are gathered.
	liveGather = time.Millisecond
)

// ErrClosed is returned by a Live that was closed.
var ErrClosed = errors.New("the live connection is closed")

// A Live is a connection of a node that brings delivery copies, all of them in the
// order in which the stream's leader sent them, to one reader. It connects again by
// itself, with all its subscriptions; what came meanwhile is lost. Its methods may be
// called concurrently.
type Live struct {
	dial        func() (*Conn, error)
	deliver     func(*event.Copy)
	interrupted func(why string)
	state       liveState // the reader's

	mu     sync.Mutex
	conn   *Conn // nil while there is none
	subs   map[Subscription]string
	last   Subscription
	waits  []chan struct{} // for the server's answers to pings, in their order
	queued bool            // a flush is on its way
	closed chan struct{}   // by Close
	done   chan struct{}   // when the reader has ended
}

// A liveState is what a Live's reader makes of what it reads.
type liveState uint8

const (
	// opening is the state of the first connection until its subscriptions are in force.
	opening liveState = iota
	// reopening is that of every later one: when its subscriptions are in force, that
	// something may have been lost is told.
	reopening
	// delivering is the state in which copies are handed over.
	delivering
)

// A Subscription is one subject of a Live; the zero value is none.
type Subscription uint64

// OpenLive connects with dial, now and whenever the connection is lost. deliver is called
// with each copy by one goroutine, and interrupted when copies may have been lost; neither
// may call the Live. Close must be called.
func OpenLive(dial func() (*Conn, error), deliver func(*event.Copy), interrupted func(why string)) (*Live, error) {
	l := &Live{dial: dial, deliver: deliver, interrupted: interrupted, state: opening, subs: map[Subscription]string{}, closed: make(chan struct{}), done: make(chan struct{})}
	if err := l.connect(); err != nil {
		return nil, err
	}
	go l.run()
	return l, nil
}

// connect makes a connection and renews all subscriptions on it.
func (l *Live) connect() error {
	conn, err := l.dial()
	if err != nil {
		return err
	}
	conn.Pong = l.answered
	l.mu.Lock()
	if l.isClosed() {
		l.mu.Unlock()
		conn.Close()
		return ErrClosed
	}
	l.conn = conn
	for id, subject := range l.subs {
		err = errors.Join(err, conn.Subscribe(subject, uint64(id)))
	}
	err = errors.Join(err, conn.Ping()) // answered when all are in force
	for range l.waits {
		err = errors.Join(err, conn.Ping())
	}
	l.mu.Unlock()
	if err = errors.Join(err, conn.Flush()); err != nil {
		l.mu.Lock()
		l.conn = nil
		l.mu.Unlock()
		conn.Close()
	}
	return err
}

// run reads until the Live is closed.
func (l *Live) run() {
	defer close(l.done)
	for {
		err := l.read()
		l.mu.Lock()
		l.conn.Close()
		l.conn = nil
		l.mu.Unlock()
		if l.isClosed() {
			return
		}
		l.state = reopening
		l.interrupted(fmt.Sprintf("disconnected: %v", err))
		for l.connect() != nil {
			select {
			case <-l.closed:
				return
			case <-time.After(liveRetry):
			}
		}
	}
}

func (l *Live) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

func (l *Live) read() error {
	l.mu.Lock()
	conn := l.conn
	l.mu.Unlock()
	var c event.Copy
	for {
		m, err := conn.Next()
		if err != nil {
			return err
		}
		if l.state != delivering {
			continue // some subjects may not be heard yet
		}
		c.Parse(m.Subject, m.Header, m.Data)
		l.deliver(&c)
	}
}

// Subscribe asks for the copies on a subject. They surely come once a later Flush
// has returned.
func (l *Live) Subscribe(subject string) Subscription {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	id := l.last
	l.subs[id] = subject
	if l.conn != nil {
		_ = l.conn.Subscribe(subject, uint64(id)) // when it fails all are made anew
		l.flushSoonLocked()
	}
	return id
}

// Unsubscribe lets go of a subject. Copies may come until a later Flush has returned.
func (l *Live) Unsubscribe(id Subscription) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.subs[id]; !ok {
		return
	}
	delete(l.subs, id)
	if l.conn != nil {
		_ = l.conn.Unsubscribe(uint64(id)) // a connection that fails has no subscriptions
		l.flushSoonLocked()
	}
}

func (l *Live) flushSoonLocked() {
	if l.queued {
		return
	}
	l.queued = true
	time.AfterFunc(liveGather, func() {
		l.mu.Lock()
		l.queued = false
		conn := l.conn
		l.mu.Unlock()
		if conn != nil {
			_ = conn.Flush() // see Subscribe
		}
	})
}

// Flush returns when the server knows all that was asked before. It waits for a
// connection; it fails when ctx ends or the Live is closed.
func (l *Live) Flush(ctx context.Context) error {
	answer := make(chan struct{})
	l.mu.Lock()
	l.waits = append(l.waits, answer)
	conn := l.conn
	if conn != nil {
		_ = conn.Ping() // sent again on the next connection
	}
	l.mu.Unlock()
	if conn != nil {
		_ = conn.Flush() // as above
	}
	select {
	case <-answer:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.done:
		return ErrClosed
	}
}

// answered is called for each answer to a ping, by the reader. The first one of a
// connection says that its subscriptions are in force: what is read again now has all
// that came before.
func (l *Live) answered() {
	if before := l.state; before != delivering {
		l.state = delivering
		if before == reopening {
			l.interrupted("reconnected")
		}
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waits) > 0 {
		close(l.waits[0])
		l.waits = l.waits[1:]
	}
}

// Reconnect drops the connection, as a fault would; a new one is made at once.
func (l *Live) Reconnect() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		l.conn.Close()
	}
}

// Close ends the connection and waits for the reader. It may be called again.
func (l *Live) Close() {
	l.mu.Lock()
	if !l.isClosed() {
		close(l.closed)
	}
	if l.conn != nil {
		l.conn.Close()
	}
	l.mu.Unlock()
	<-l.done
}
