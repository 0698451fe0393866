package edge_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"weft/config/testkit/slow"
	"weft/config/testkit/standstill"
	"weft/edge"
	"weft/edge/frames"
	"weft/edge/session"
	"weft/edge/transport"
	"weft/jetstream"
)

// dialRaw sends a request for events over a connection whose owner reads only
// what it wants to.
func (s *stack) dialRaw(kind, token, target string) net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.edge.PublicAddr().String())
	s.must(err)
	s.t.Cleanup(func() { _ = conn.Close() })
	more := "Accept: text/event-stream\r\n"
	if kind == transport.WebSocket {
		more = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	}
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: weft\r\nAuthorization: Bearer %s\r\n%s\r\n", target, token, more)
	s.must(err)
	return conn
}

func TestAReaderThatStopsIsCutAndCostsNoMoreThanItsQueue(t *testing.T) {
	for _, kind := range []string{transport.SSE, transport.WebSocket} {
		t.Run(kind, func(t *testing.T) {
			s := newStack(t, func(c *edge.Config, js *jetstream.Config) {
				c.Public.QueueBytes = 256 << 10
				c.Public.Keepalive = 10 * time.Second
				js.Events.MaxPerSubject = 1000
			})
			token := s.token("ann", nil)
			s.dialRaw(kind, token, pathEvents)
			reader := s.connect(transport.SSE, visitor{token: token})
			reader.opened()
			s.eventually("both are connected", func() bool { return s.edge.Connections() == 2 })
			slow := func() float64 {
				return s.metric("weft_edge_endings_total", "transport", kind, "cause", session.Slow.String())
			}
			payload := []byte(`"` + strings.Repeat("x", 60<<10) + `"`)
			// More than the kernel holds for a connection: 18 MB.
			for n := 0; n < 300 && slow() == 0; n++ {
				id := s.store("user.ann", "", payload)
				if h := reader.next(); h.id != id {
					t.Fatalf("the other reader heard %q, want %q", h.id, id)
				}
			}
			s.eventually("the client that reads nothing is cut", func() bool { return slow() == 1 })
			if got := s.metric("weft_edge_queue_overflows_total"); got != 1 {
				t.Errorf("%v overflows, want 1", got)
			}
		})
	}
}

func TestAClientThatIsGoneWithoutAWordIsNoticed(t *testing.T) {
	s := newStack(t, func(c *edge.Config, _ *jetstream.Config) {
		c.Public.Keepalive = 50 * time.Millisecond // one missed pong
	})
	conn := s.dialRaw(transport.WebSocket, s.token("ann", nil), pathEvents)
	s.eventually("a silent WebSocket is let in, and let go", func() bool {
		return s.metric("weft_edge_connects_total") == 1 && s.edge.Connections() == 0
	})
	_ = conn.Close()
}

func TestAStalledClientIsRevokedWithinASecond(t *testing.T) {
	s := newStack(t, func(c *edge.Config, js *jetstream.Config) {
		c.Public.QueueBytes = 64 << 20
		js.Events.MaxPerSubject = 1000
	})
	s.dialRaw(transport.SSE, s.token("ann", map[string]any{"jti": "stalled"}), pathEvents)
	s.eventually("connected", func() bool { return s.edge.Connections() == 1 })
	for range 100 { // more than the kernel's buffers take
		s.store("user.ann", "", make([]byte, 100<<10))
	}
	begin, still := time.Now(), standstill.Begin(t)
	s.must(s.node.Blacklist().Put(t.Context(), "stalled", "", 0))
	s.eventually("cut", func() bool { return s.edge.Connections() == 0 })
	if d := time.Since(begin); d > time.Second+still.Lost() {
		t.Errorf("cut after %v", d)
	}
}

func TestAMessageThatIsNeverFinishedIsNotWaitedForWhateverElseItsClientSays(t *testing.T) {
	slow.Test(t, "the time limit of a message")
	t.Parallel()
	for _, p := range plainPaths {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := newStackOn(t, p, func(c *edge.Config, _ *jetstream.Config) { c.Public.Keepalive = time.Second })
			lively, lying := s.dialRaw(transport.WebSocket, s.token("ann", nil), pathEvents), s.dialRaw(transport.WebSocket, s.token("bob", nil), pathEvents)
			s.eventually("connected", func() bool { return s.edge.Connections() == 2 })
			_, err := lying.Write(clientFrame(frames.Text, []byte(`{"never":`)))
			s.must(err)
			pong := []byte{frames.Final | frames.Pong, 0x80, 0, 0, 0, 0}
			s.eventually("who does not finish is let go", func() bool {
				_, _ = lying.Write(pong)
				_, err := lively.Write(pong)
				s.must(err)
				return s.edge.Connections() == 1 && s.metric("weft_edge_endings_total", "transport", transport.WebSocket) > 0
			})
			ended := s.metric("weft_edge_endings_total", "transport", transport.WebSocket)
			if _, err := lively.Write(pong); err != nil || ended != 1 || s.edge.Connections() != 1 {
				t.Errorf("%v; %v ended, want the other one to stay", err, ended)
			}
		})
	}
}

// deafConn is a connection of which nothing is read once it is stopped.
type deafConn struct {
	net.Conn
	stopped, closed chan struct{}
}

func (c *deafConn) Read(p []byte) (int, error) {
	select {
	case <-c.stopped:
		<-c.closed
		return 0, net.ErrClosed
	default:
		return c.Conn.Read(p)
	}
}

func TestAClientOfHTTP2ThatStopsReadingIsCut(t *testing.T) {
	s := newStackOn(t, onTLS, func(c *edge.Config, js *jetstream.Config) {
		c.Public.WriteTimeout = time.Second
		js.Events.MaxPerSubject = 1000
	})
	deaf := &deafConn{stopped: make(chan struct{}), closed: make(chan struct{})}
	defer close(deaf.closed)
	s.client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		deaf.Conn = conn
		return deaf, err
	}
	const streams = 8 // each has a window of its own
	for range streams {
		s.connect(transport.SSE, visitor{token: s.token("ann", nil)}).opened()
	}
	close(deaf.stopped)
	for range 200 { // more than the kernel holds for a connection
		s.store("user.ann", "", make([]byte, 100<<10))
	}
	s.eventually("cut", func() bool { return s.edge.Connections() == 0 })
}

// What a client says after it broke the protocol is not read into anything, also
// while it does not take the answer.
func TestAStalledClientThatBreaksTheProtocolIsHeardOnce(t *testing.T) {
	slow.Test(t, "the time limit of a write")
	s := newStack(t, func(c *edge.Config, js *jetstream.Config) {
		c.Public.QueueBytes = 64 << 20
		c.Public.WriteTimeout = 2 * time.Second
		js.Events.MaxPerSubject = 1000
	})
	conn := s.dialRaw(transport.WebSocket, s.token("ann", nil), pathEvents)
	s.eventually("connected", func() bool { return s.edge.Connections() == 1 })
	for range 100 { // more than the kernel's buffers take
		s.store("user.ann", "", make([]byte, 100<<10))
	}
	nonsense := bytes.Repeat([]byte{0xff}, 64<<10)
	for range 1000 {
		if _, err := conn.Write(nonsense); err != nil {
			break // cut, which is as good
		}
	}
	s.eventually("cut", func() bool { return s.edge.Connections() == 0 })
}

func TestALongHistoryIsPacedByItsReader(t *testing.T) {
	s := newStack(t, func(c *edge.Config, js *jetstream.Config) {
		c.Public.QueueBytes = 64 << 10
		js.Events.MaxPerSubject = 1000
	})
	first := s.store("user.ann", "", []byte(`0`))
	const events = 400
	for n := 1; n <= events; n++ {
		s.store("user.ann", "", fmt.Appendf(nil, `"%d %s"`, n, strings.Repeat("x", 30<<10)))
	}
	conn := s.dialRaw(transport.SSE, s.token("ann", nil), pathEvents+"?last_event_id="+first)
	s.eventually("connected", func() bool { return s.edge.Connections() == 1 })
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	s.must(err)
	n := 0
	readSSE(bufio.NewReader(answer.Body), func(h heard) {
		if strings.HasPrefix(h.data, `"`) {
			n++
			if !strings.HasPrefix(h.data, fmt.Sprintf(`"%d `, n)) {
				t.Errorf("event %d is %.20s", n, h.data)
			}
		}
		if n == events {
			_ = conn.Close()
		}
	})
	if n != events {
		t.Errorf("%d events of history, want %d", n, events)
	}
}
