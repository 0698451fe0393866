package natsconn

import (
	"bytes"
	"errors"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// lineBytes is how much a Line gathers while it writes. Who publishes more waits.
const lineBytes = 1 << 20

// ErrDisconnected is the error of a publication that surely was not sent.
var ErrDisconnected = errors.New("the connection is being made anew")

// A Line is a connection of a node that publishes what is answered. It exists while it
// has callers, and connects again by itself. What is published is written in one piece with
// all else that waits, by a goroutine of its own: no caller writes, and what one caller asks
// of the server elsewhere never holds publications up. Its methods may be called
// concurrently.
type Line struct {
	dial  func() (*Conn, error)
	inbox func() string

	opening sync.Mutex // one caller at a time comes or goes
	last    uint64
	prefix  string                             // of reply subjects; is set before there are callers
	callers atomic.Pointer[map[uint64]*Caller] // is replaced, not changed
	closed  chan struct{}
	done    chan struct{} // when reader and writer have ended

	mu    sync.Mutex
	conn  *Conn // nil while there is none
	ended bool  // there are no callers
	out   []byte
	kick  chan struct{} // gets a token when something waits to be written
	room  *sync.Cond
}

// A Caller is one of those who publish over a Line, and are answered on subjects of
// their own.
type Caller struct {
	line     *Line
	id       uint64
	prefix   []byte
	answered func(place []byte, m *Msg)
	lost     func()
}

// NewLine makes a line that connects with dial once somebody wants to publish. inbox makes
// a subject below which nobody else listens.
func NewLine(dial func() (*Conn, error), inbox func() string) *Line {
	l := &Line{dial: dial, inbox: inbox, kick: make(chan struct{}, 1)}
	l.room = sync.NewCond(&l.mu)
	l.callers.Store(&map[uint64]*Caller{})
	return l
}

// Open adds a caller. answered is told of each answer and the place that was given with
// what it answers, lost when answers may have been lost; one goroutine calls both, and
// neither may call Close. It fails when the line has no caller yet and cannot connect.
func (l *Line) Open(answered func(place []byte, m *Msg), lost func()) (*Caller, error) {
	l.opening.Lock()
	defer l.opening.Unlock()
	if len(*l.callers.Load()) == 0 {
		l.mu.Lock()
		l.ended = false
		l.mu.Unlock()
		l.prefix = l.inbox() + "."
		conn, err := l.connect()
		if err != nil {
			return nil, err
		}
		l.closed, l.done = make(chan struct{}), make(chan struct{})
		go l.run(conn, l.closed, l.done)
	}
	l.last++
	c := &Caller{line: l, id: l.last, prefix: strconv.AppendUint([]byte(l.prefix), l.last, 36), answered: answered, lost: lost}
	c.prefix = append(c.prefix, '.')
	l.change(func(callers map[uint64]*Caller) { callers[c.id] = c })
	return c, nil
}

func (l *Line) change(f func(map[uint64]*Caller)) {
	callers := map[uint64]*Caller{}
	for id, c := range *l.callers.Load() {
		callers[id] = c
	}
	f(callers)
	l.callers.Store(&callers)
}

// Close takes the caller off the line, which ends with its last one.
func (c *Caller) Close() {
	l := c.line
	l.opening.Lock()
	defer l.opening.Unlock()
	if (*l.callers.Load())[c.id] != c {
		return
	}
	l.change(func(callers map[uint64]*Caller) { delete(callers, c.id) })
	if len(*l.callers.Load()) > 0 {
		return
	}
	close(l.closed)
	l.mu.Lock()
	l.ended = true
	if l.conn != nil {
		l.conn.Close()
	}
	l.mu.Unlock()
	<-l.done
}

// connect makes a connection on which answers are heard.
func (l *Line) connect() (*Conn, error) {
	conn, err := l.dial()
	if err != nil {
		return nil, err
	}
	// The server does all in order: it listens before it is sent what is answered.
	if err := errors.Join(conn.Subscribe(l.prefix+">", 1), conn.Flush()); err != nil {
		conn.Close()
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		conn.Close()
		return nil, ErrClosed
	}
	l.conn, l.out = conn, l.out[:0]
	return conn, nil
}

// run reads until the line is closed.
func (l *Line) run(conn *Conn, closed, done chan struct{}) {
	defer close(done)
	for {
		wrote, stop := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(wrote)
			l.write(conn, stop)
		}()
		l.read(conn)
		close(stop)
		conn.Close()
		l.mu.Lock()
		l.conn = nil
		l.room.Broadcast()
		l.mu.Unlock()
		<-wrote
		for _, c := range *l.callers.Load() {
			c.lost()
		}
		for {
			select {
			case <-closed:
				return
			default:
			}
			var err error
			if conn, err = l.connect(); err == nil {
				break
			}
			select {
			case <-closed:
				return
			case <-time.After(liveRetry):
			}
		}
	}
}

// read hands answers over until the connection fails.
func (l *Line) read(conn *Conn) {
	for {
		m, err := conn.Next()
		if err != nil {
			return
		}
		rest, ok := bytes.CutPrefix(m.Subject, []byte(l.prefix))
		id, place, ok2 := bytes.Cut(rest, []byte{'.'})
		if !ok || !ok2 {
			continue
		}
		if n, ok := ParseNumber(id); ok {
			if c := (*l.callers.Load())[n]; c != nil {
				c.answered(place, &m)
			}
		}
	}
}

// write writes what waits, until the connection fails.
func (l *Line) write(conn *Conn, stop chan struct{}) {
	var spare []byte
	for {
		select {
		case <-stop:
			return
		case <-l.kick:
		}
		runtime.Gosched() // who is about to publish more does so first
		l.mu.Lock()
		out := l.out
		l.out = spare[:0]
		l.room.Broadcast()
		l.mu.Unlock()
		if len(out) > 0 {
			if _, err := conn.conn.Write(out); err != nil {
				conn.Close() // the reader notices
			}
		}
		if spare = out; cap(spare) > 4*lineBytes {
			spare = nil
		}
	}
}

// Publish sends a message: its place, which is digits, letters and dots, comes back with the answer. header
// has its first and its empty line. Nothing that it is given is kept. It fails with
// ErrDisconnected; what it took may still be lost, which lost tells.
func (c *Caller) Publish(subject string, place, header, data []byte) error {
	l := c.line
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.conn != nil && len(l.out) >= lineBytes {
		l.room.Wait()
	}
	if l.conn == nil {
		return ErrDisconnected
	}
	b := append(append(append(l.out, "HPUB "...), subject...), ' ')
	b = append(append(append(b, c.prefix...), place...), ' ')
	b = append(strconv.AppendInt(b, int64(len(header)), 10), ' ')
	b = append(strconv.AppendInt(b, int64(len(header)+len(data)), 10), "\r\n"...)
	l.out = append(append(append(b, header...), data...), "\r\n"...)
	select {
	case l.kick <- struct{}{}:
	default:
	}
	return nil
}

// ParseNumber reads a number to the base of 36, as strconv writes it.
func ParseNumber(b []byte) (n uint64, ok bool) {
	if len(b) == 0 || len(b) > 12 {
		return 0, false
	}
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			n = n*36 + uint64(c-'0')
		case c >= 'a' && c <= 'z':
			n = n*36 + uint64(c-'a') + 10
		default:
			return 0, false
		}
	}
	return n, true
}
