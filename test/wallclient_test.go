package test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"weft/test/stage"
)

// A rawNATS speaks the NATS protocol without the kindness of a library: it sends
// whatever it is told to, and keeps what it hears.
type rawNATS struct {
	t    testing.TB
	conn net.Conn
	pong chan struct{}

	mu    sync.Mutex
	heard []string // "<subject> <header and payload>"
	errs  []string
}

// connectRaw connects as a user, or as nobody when the name is empty.
func connectRaw(t testing.TB, n *stage.Node, user, password string) *rawNATS {
	t.Helper()
	conn, err := net.DialTimeout("tcp", n.NATSAddress(), 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &rawNATS{t: t, conn: conn, pong: make(chan struct{}, 1)}
	hello := map[string]any{"verbose": false, "pedantic": false, "headers": true, "no_responders": true, "protocol": 1}
	if user != "" {
		hello["user"], hello["pass"] = user, password
	}
	text, err := json.Marshal(hello)
	if err != nil {
		t.Fatal(err)
	}
	c.say("CONNECT %s\r\n", text)
	go c.read()
	c.flush()
	return c
}

func (c *rawNATS) say(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.conn, format, args...); err != nil {
		c.t.Fatalf("write to the NATS port: %v", err)
	}
}

// publish sends a message; reply and header may be empty. A header is the text of
// its lines, without the first one.
func (c *rawNATS) publish(subject, reply, header, payload string) {
	c.t.Helper()
	if header == "" {
		c.say("PUB %s %s %d\r\n%s\r\n", subject, reply, len(payload), payload)
		return
	}
	header = "NATS/1.0\r\n" + header + "\r\n"
	c.say("HPUB %s %s %d %d\r\n%s%s\r\n", subject, reply, len(header), len(header)+len(payload), header, payload)
}

// flush returns when the server has dealt with all that was said.
func (c *rawNATS) flush() {
	c.t.Helper()
	c.say("PING\r\n")
	select {
	case <-c.pong:
	case <-time.After(20 * time.Second):
		c.t.Fatal("the NATS port does not answer a ping")
	}
}

func (c *rawNATS) read() {
	in := bufio.NewReader(c.conn)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
		case fields[0] == "PONG":
			c.pong <- struct{}{}
		case fields[0] == "-ERR":
			c.mu.Lock()
			c.errs = append(c.errs, strings.TrimSpace(line))
			c.mu.Unlock()
		case fields[0] == "MSG" || fields[0] == "HMSG":
			size, err := strconv.Atoi(fields[len(fields)-1])
			if err != nil {
				return
			}
			body := make([]byte, size+2)
			if _, err := io.ReadFull(in, body); err != nil {
				return
			}
			c.mu.Lock()
			c.heard = append(c.heard, fields[1]+" "+string(body))
			c.mu.Unlock()
		}
	}
}

// hears returns all that came so far.
func (c *rawNATS) hears() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.heard...)
}
