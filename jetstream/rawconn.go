package jetstream

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"sync"
	"time"

	"weft/jetstream/event"
)

const (
	// rawBuffer is what a rawConn reads at once, in bytes.
	rawBuffer = 64 << 10
	// rawFlushAt is how much a rawConn gathers until it writes of itself.
	rawFlushAt = 32 << 10
	// maxLine bounds a line of the protocol.
	maxLine = 64 << 10
	// dialTry bounds a try to reach the own client port.
	dialTry = time.Second
)

var (
	errProtocol   = errors.New("the server does not speak the NATS protocol")
	errServerSays = errors.New("the server ends the connection")
)

// A rawConn speaks the NATS client protocol (docs.nats.io, "NATS Protocols") with
// the server in this process. Unlike the client library it hands over what it reads
// in place, and is sent no more than it reads: what waits does so in the server,
// which slows its publishers down. One goroutine calls next; everything else may be
// called concurrently.
type rawConn struct {
	conn net.Conn
	// beforeRead is called when next is about to block.
	beforeRead func()
	// pong is called for each answer to a ping.
	pong func()

	in   []byte
	r, w int // in[r:w] is read and not handed over yet

	mu  sync.Mutex
	out []byte // waits to be written
}

// A rawMsg is a message. What it holds is valid until the next call of next.
type rawMsg struct {
	subject, reply []byte
	header         []byte // with its first and its empty line; nil: none
	data           []byte
}

// dialRaw connects as a user of this process. It hears nothing of what it sends
// itself.
func dialRaw(e *embedded, user, name string) (*rawConn, error) {
	conn, err := e.dial()
	if err != nil {
		return nil, err
	}
	c := newRawConn(conn)
	if err := c.shakeHands(user, e.password, name); err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect within the process (%s): %w", name, err)
	}
	return c, nil
}

// dial connects to the server: over its client port, if that can be reached, else by
// the pipe within the process. Into the pipe the server writes each of its buffers by
// itself, of which most hold one message; a socket takes hundreds at once.
func (e *embedded) dial() (net.Conn, error) {
	if u, err := url.Parse(e.clientURL()); err == nil {
		host := u.Hostname()
		if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
			host = "localhost"
		}
		if conn, err := net.DialTimeout("tcp", net.JoinHostPort(host, u.Port()), dialTry); err == nil {
			return conn, nil
		}
	}
	return e.InProcessConn()
}

func newRawConn(conn net.Conn) *rawConn {
	return &rawConn{conn: conn, in: make([]byte, rawBuffer), beforeRead: func() {}, pong: func() {}}
}

func (c *rawConn) shakeHands(user, password, name string) error {
	if err := c.conn.SetDeadline(time.Now().Add(startTimeout)); err != nil {
		return err
	}
	n, err := c.line()
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(c.in[c.r:], []byte("INFO ")) {
		return errProtocol
	}
	c.r += n
	hello, err := json.Marshal(map[string]any{"verbose": false, "pedantic": false, "user": user, "pass": password, "name": name,
		"lang": "go", "version": "weft", "protocol": 1, "echo": false, "headers": true, "no_responders": true})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c.conn, "CONNECT %s\r\nPING\r\n", hello); err != nil {
		return err
	}
	for {
		if n, err = c.line(); err != nil {
			return err
		}
		line := c.in[c.r : c.r+n]
		c.r += n
		switch {
		case bytes.HasPrefix(line, []byte("PONG")):
			return c.conn.SetDeadline(time.Time{})
		case bytes.HasPrefix(line, []byte("-ERR")):
			return fmt.Errorf("%w: %s", errServerSays, bytes.TrimSpace(line))
		}
	}
}

// next returns the next message. It answers the server's pings.
func (c *rawConn) next() (rawMsg, error) {
	for {
		n, err := c.line()
		if err != nil {
			return rawMsg{}, err
		}
		line := c.in[c.r : c.r+n]
		switch {
		case bytes.HasPrefix(line, []byte("MSG ")), bytes.HasPrefix(line, []byte("HMSG ")):
			return c.message(line)
		case bytes.HasPrefix(line, []byte("PING")):
			if err := errors.Join(c.send(func(b []byte) []byte { return append(b, "PONG\r\n"...) }), c.flush()); err != nil {
				return rawMsg{}, err
			}
		case bytes.HasPrefix(line, []byte("PONG")):
			c.pong()
		case bytes.HasPrefix(line, []byte("-ERR")):
			return rawMsg{}, fmt.Errorf("%w: %s", errServerSays, bytes.TrimSpace(line))
		}
		c.r += n
	}
}

// line reads until a whole line is there and returns its length, the end
// included.
func (c *rawConn) line() (int, error) {
	for seen := 0; ; {
		if i := bytes.IndexByte(c.in[c.r+seen:c.w], '\n'); i >= 0 {
			return seen + i + 1, nil
		}
		if seen = c.w - c.r; seen > maxLine {
			return 0, errProtocol
		}
		if err := c.fill(seen + 1); err != nil {
			return 0, err
		}
	}
}

// fill reads until need bytes are there.
func (c *rawConn) fill(need int) error {
	for c.w-c.r < need {
		switch {
		case c.r == c.w && len(c.in) > rawBuffer && need <= rawBuffer:
			c.in, c.r, c.w = make([]byte, rawBuffer), 0, 0 // a large message has passed
		case c.r+need > len(c.in):
			to := c.in
			if need > len(to) {
				to = make([]byte, need)
			}
			c.r, c.w = 0, copy(to, c.in[c.r:c.w])
			c.in = to
		}
		c.beforeRead()
		n, err := c.conn.Read(c.in[c.w:])
		if c.w += n; err != nil && c.w-c.r < need {
			return err
		}
	}
	return nil
}

// message reads the message that begins with line:
//
//	MSG <subject> <sid> [reply] <size>
//	HMSG <subject> <sid> [reply] <size of the header> <size>
func (c *rawConn) message(line []byte) (m rawMsg, err error) {
	var at [6]int // where the fields begin, and where they end
	var to [6]int
	n := 0
	text := bytes.TrimRight(line, "\r\n")
	for i := 0; i < len(text); {
		end := len(text)
		if j := bytes.IndexByte(text[i:], ' '); j >= 0 {
			end = i + j
		}
		if n == len(at) {
			return m, errProtocol
		}
		at[n], to[n] = i, end
		n++
		i = end + 1
	}
	field := func(i int) []byte { return text[at[i]:to[i]] }
	headed := line[0] == 'H'
	plain := 4 // fields of a message without a reply
	if headed {
		plain = 5
	}
	if n != plain && n != plain+1 {
		return m, errProtocol
	}
	size, err := digits(field(n - 1))
	head := 0
	if err == nil && headed {
		head, err = digits(field(n - 2))
	}
	if err != nil || head > size || size > event.MaxPayload {
		return m, errProtocol
	}
	whole := len(line) + size + len("\r\n")
	if err := c.fill(whole); err != nil {
		return m, err
	}
	// The line may have been moved.
	frame := c.in[c.r : c.r+whole]
	c.r += whole
	m.subject = frame[at[1]:to[1]]
	if n > plain {
		m.reply = frame[at[3]:to[3]]
	}
	body := frame[len(line) : len(line)+size]
	if headed {
		m.header = body[:head]
	}
	m.data = body[head:]
	return m, nil
}

// digits reads a number of at most seven digits.
func digits(b []byte) (n int, err error) {
	if len(b) == 0 || len(b) > 7 {
		return 0, errProtocol
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, errProtocol
		}
		n = n*10 + int(c-'0')
	}
	return n, nil
}

// send appends what add appends to what waits to be written, and writes when that
// is much.
func (c *rawConn) send(add func([]byte) []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out = add(c.out); len(c.out) >= rawFlushAt {
		return c.flushLocked()
	}
	return nil
}

// subscribe asks for what comes on a subject, under a number.
func (c *rawConn) subscribe(subject string, id uint64) error {
	return c.send(func(b []byte) []byte {
		b = append(append(append(b, "SUB "...), subject...), ' ')
		return append(strconv.AppendUint(b, id, 10), "\r\n"...)
	})
}

// flush writes what waits.
func (c *rawConn) flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flushLocked()
}

func (c *rawConn) flushLocked() error {
	if len(c.out) == 0 {
		return nil
	}
	_, err := c.conn.Write(c.out)
	if cap(c.out) > 4*rawFlushAt {
		c.out = nil
	}
	c.out = c.out[:0]
	return err
}

// interrupt makes next fail, now and later. What is sent still goes out.
func (c *rawConn) interrupt() { _ = c.conn.SetReadDeadline(time.Now()) } // a closed one fails anyway

func (c *rawConn) close() { c.conn.Close() }
