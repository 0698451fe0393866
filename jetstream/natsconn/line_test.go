package natsconn_test

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"weft/config/testkit/waitfor"
	"weft/jetstream/natsconn"
	"weft/jetstream/server"
)

// A cutter dials, and cuts what it has dialled.
type cutter struct {
	srv *server.Server

	mu   sync.Mutex
	conn *natsconn.Conn
	away bool
}

func (c *cutter) dial() (*natsconn.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away {
		return nil, net.ErrClosed
	}
	var err error
	c.conn, err = c.srv.Dial(server.NodeUser, "line")
	return c.conn, err
}

func (c *cutter) cut(away bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.away = away
	if c.conn != nil {
		c.conn.Close()
	}
}

// header is of a message without headers.
var header = []byte("NATS/1.0\r\n\r\n")

// answering answers all that is published on subject with what it held.
func answering(t *testing.T, nc *nats.Conn, subject string) {
	t.Helper()
	if _, err := nc.Subscribe(subject, func(m *nats.Msg) { _ = m.Respond(m.Data) }); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
}

func TestALineGivesEachCallerItsOwnAnswersWithTheirPlaces(t *testing.T) {
	srv, nc := open(t)
	answering(t, nc, "ask")
	line := natsconn.NewLine((&cutter{srv: srv}).dial, nc.NewInbox)
	const each = 20_000 // more than is gathered at once
	var callers sync.WaitGroup
	for name := range 3 {
		callers.Go(func() {
			done := make(chan struct{})
			next := 0
			caller, err := line.Open(func(place []byte, m *natsconn.Msg) {
				want := strconv.FormatUint(uint64(next), 36)
				if string(place) != want || !strings.HasPrefix(string(m.Data), want+" of "+strconv.Itoa(name)+" ") {
					t.Errorf("caller %d: at %q came %.40q, want %s", name, place, m.Data, want)
				}
				if next++; next == each {
					close(done)
				}
			}, func() { t.Error("answers may be lost") })
			if err != nil {
				t.Error(err)
				return
			}
			defer caller.Close()
			filler := strings.Repeat("x", 200)
			for i := range each {
				place := strconv.AppendUint(nil, uint64(i), 36)
				if err := caller.Publish("ask", place, header, []byte(string(place)+" of "+strconv.Itoa(name)+" "+filler)); err != nil {
					t.Error(err)
					return
				}
			}
			select {
			case <-done:
			case <-time.After(time.Minute):
				t.Errorf("caller %d has no more answers", name)
			}
		})
	}
	callers.Wait()
}

func TestALineSaysThatAnswersAreLostAndConnectsAgain(t *testing.T) {
	srv, nc := open(t)
	answering(t, nc, "ask")
	c := &cutter{srv: srv}
	line := natsconn.NewLine(c.dial, nc.NewInbox)
	answers, lost := make(chan string, 100), make(chan string, 100)
	caller, err := line.Open(func(place []byte, m *natsconn.Msg) { answers <- string(place) }, func() { lost <- "lost" })
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	c.cut(true)
	next(t, lost)
	if err := caller.Publish("ask", []byte("a.1"), header, nil); !errors.Is(err, natsconn.ErrDisconnected) {
		t.Errorf("publish while there is no connection: %v", err)
	}
	c.cut(false)
	waitfor.True(t, func() bool { return caller.Publish("ask", []byte("b.2"), header, nil) == nil })
	if place := next(t, answers); place != "b.2" {
		t.Errorf("the answer of %q came", place)
	}
	other, err := line.Open(func([]byte, *natsconn.Msg) { t.Error("another's answer") }, func() {})
	if err != nil {
		t.Fatal(err)
	}
	caller.Close()
	caller.Close()
	if err := other.Publish("nobody", []byte("3"), header, nil); err != nil {
		t.Errorf("publish beside one that has left: %v", err)
	}
	other.Close()
}

func TestALineThatIsClosedWhileItConnectsEnds(t *testing.T) {
	srv, nc := open(t)
	for range 20 {
		c := &cutter{srv: srv}
		line := natsconn.NewLine(c.dial, nc.NewInbox)
		caller, err := line.Open(func([]byte, *natsconn.Msg) {}, func() {})
		if err != nil {
			t.Fatal(err)
		}
		c.cut(false)
		caller.Close() // goleak says whether anything is left
		if _, err := natsconn.NewLine(func() (*natsconn.Conn, error) { return nil, net.ErrClosed }, nc.NewInbox).Open(nil, nil); err == nil {
			t.Fatal("a line opens that cannot connect")
		}
	}
}

func TestANumberIsReadAsItIsWritten(t *testing.T) {
	for _, n := range []uint64{0, 1, 35, 36, 1023, 1 << 40, 1<<60 - 1} {
		if got, ok := natsconn.ParseNumber(strconv.AppendUint(nil, n, 36)); !ok || got != n {
			t.Errorf("%d is read as %d, %v", n, got, ok)
		}
	}
	for _, s := range []string{"", "-1", "A", "1.2", " 1", strings.Repeat("z", 13)} {
		if n, ok := natsconn.ParseNumber([]byte(s)); ok {
			t.Errorf("%q is read as %d", s, n)
		}
	}
}
