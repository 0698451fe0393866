package natsconn

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"weft/jetstream/event"
)

const (
	// readBuffer is what a Conn reads at once, in bytes.
	readBuffer = 64 << 10
	// flushAt is how much a Conn gathers until it writes of itself.
	flushAt = 32 << 10
	// maxLine bounds a line of the protocol.
	maxLine = 64 << 10
	// loginTimeout bounds a login.
	loginTimeout = 10 * time.Second
)

var (
	errProtocol   = errors.New("the server does not speak the NATS protocol")
	errServerSays = errors.New("the server ends the connection")
)

// A Conn is a client of a NATS server. One goroutine calls Next; everything else may
// be called concurrently.
type Conn struct {
	conn net.Conn
	// BeforeRead is called when Next is about to block. It and Pong are set before the
	// first call of Next.
	BeforeRead func()
	// Pong is called by Next, for each answer to a ping.
	Pong func()

	in   []byte
	r, w int // in[r:w] is read and not handed over yet

	mu  sync.Mutex
	out []byte // waits to be written
}

// A Msg is a message. What it holds is valid until the next call of Next.
type Msg struct {
	Subject, Reply []byte
	Header         []byte // with its first and its empty line; nil: none
	Data           []byte
}

// A Login is how a client logs in: as a user, by password, under the name by which
// the server knows the connection.
type Login struct{ User, Password, Name string }

// NoResponders reports whether an answer is the server's word that nobody listens.
func (m *Msg) NoResponders() bool {
	return len(m.Data) == 0 && bytes.HasPrefix(m.Header, []byte("NATS/1.0 503"))
}

// Open logs in on a connection that was just made, and closes it if that fails. The
// client hears nothing of what it sends itself.
func Open(conn net.Conn, login Login) (*Conn, error) {
	c := newConn(conn)
	if err := c.shakeHands(login); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

func newConn(conn net.Conn) *Conn {
	return &Conn{conn: conn, in: make([]byte, readBuffer), BeforeRead: func() {}, Pong: func() {}}
}

func (c *Conn) shakeHands(login Login) error {
	if err := c.conn.SetDeadline(time.Now().Add(loginTimeout)); err != nil {
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
	hello, err := json.Marshal(map[string]any{"verbose": false, "pedantic": false, "user": login.User, "pass": login.Password, "name": login.Name,
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

// Next returns the next message. It answers the server's pings.
func (c *Conn) Next() (Msg, error) {
	for {
		n, err := c.line()
		if err != nil {
			return Msg{}, err
		}
		line := c.in[c.r : c.r+n]
		switch {
		case bytes.HasPrefix(line, []byte("MSG ")), bytes.HasPrefix(line, []byte("HMSG ")):
			return c.message(line)
		case bytes.HasPrefix(line, []byte("PING")):
			if err := errors.Join(c.Send(func(b []byte) []byte { return append(b, "PONG\r\n"...) }), c.Flush()); err != nil {
				return Msg{}, err
			}
		case bytes.HasPrefix(line, []byte("PONG")):
			c.Pong()
		case bytes.HasPrefix(line, []byte("-ERR")):
			return Msg{}, fmt.Errorf("%w: %s", errServerSays, bytes.TrimSpace(line))
		}
		c.r += n
	}
}

// line reads until a whole line is there and returns its length, the end
// included.
func (c *Conn) line() (int, error) {
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
func (c *Conn) fill(need int) error {
	for c.w-c.r < need {
		switch {
		case c.r == c.w && len(c.in) > readBuffer && need <= readBuffer:
			c.in, c.r, c.w = make([]byte, readBuffer), 0, 0 // a large message has passed
		case c.r+need > len(c.in):
			to := c.in
			if need > len(to) {
				to = make([]byte, need)
			}
			c.r, c.w = 0, copy(to, c.in[c.r:c.w])
			c.in = to
		}
		c.BeforeRead()
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
func (c *Conn) message(line []byte) (m Msg, err error) {
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
	m.Subject = frame[at[1]:to[1]]
	if n > plain {
		m.Reply = frame[at[3]:to[3]]
	}
	body := frame[len(line) : len(line)+size]
	if headed {
		m.Header = body[:head]
	}
	m.Data = body[head:]
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

// Send appends what add appends to what waits to be written, and writes when that
// is much.
func (c *Conn) Send(add func([]byte) []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out = add(c.out); len(c.out) >= flushAt {
		return c.flushLocked()
	}
	return nil
}

// Subscribe asks for what comes on a subject, under a number.
func (c *Conn) Subscribe(subject string, id uint64) error {
	return c.Send(func(b []byte) []byte {
		b = append(append(append(b, "SUB "...), subject...), ' ')
		return append(strconv.AppendUint(b, id, 10), "\r\n"...)
	})
}

// Unsubscribe ends the subscription under a number.
func (c *Conn) Unsubscribe(id uint64) error {
	return c.Send(func(b []byte) []byte {
		return append(strconv.AppendUint(append(b, "UNSUB "...), id, 10), "\r\n"...)
	})
}

// Ping asks for an answer, which comes once the server has done all that it was sent
// before.
func (c *Conn) Ping() error {
	return c.Send(func(b []byte) []byte { return append(b, "PING\r\n"...) })
}

// Flush writes what waits.
func (c *Conn) Flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flushLocked()
}

func (c *Conn) flushLocked() error {
	if len(c.out) == 0 {
		return nil
	}
	_, err := c.conn.Write(c.out)
	if cap(c.out) > 4*flushAt {
		c.out = nil
	}
	c.out = c.out[:0]
	return err
}

// Interrupt makes Next fail, now and later. What is sent still goes out.
func (c *Conn) Interrupt() { _ = c.conn.SetReadDeadline(time.Now()) } // a closed one fails anyway

// Close ends the connection. It may be called again.
func (c *Conn) Close() { c.conn.Close() }
