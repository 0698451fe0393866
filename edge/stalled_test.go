package edge_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"weft/edge"
	"weft/edge/transport"
	"weft/edge/wire"
	"weft/jetstream"
)

// readFrames reads what a server sends behind its handshake, text frames in whole.
func readFrames(conn io.Reader, tell func(message []byte)) {
	in := bufio.NewReader(conn)
	for line := ""; line != "\r\n"; {
		var err error
		if line, err = in.ReadString('\n'); err != nil {
			return
		}
	}
	for {
		var head [10]byte
		if _, err := io.ReadFull(in, head[:2]); err != nil {
			return
		}
		length := uint64(head[1])
		switch more := map[uint64]int{126: 2, 127: 8}[length]; {
		case more > 0:
			if _, err := io.ReadFull(in, head[10-more:]); err != nil {
				return
			}
			length = binary.BigEndian.Uint64(append(make([]byte, 8-more), head[10-more:]...))
		}
		message := make([]byte, length)
		if _, err := io.ReadFull(in, message); err != nil {
			return
		}
		if head[0]&0xf == 1 {
			tell(message)
		}
	}
}

// stalled waits until the kernel takes nothing more for a client, where it tells (Linux, proc(5)).
func (s *stack) stalled(conn net.Conn) {
	s.t.Helper()
	hex := func(a net.Addr) string { return fmt.Sprintf("0100007F:%04X", a.(*net.TCPAddr).Port) }
	ends := hex(conn.RemoteAddr()) + " " + hex(conn.LocalAddr()) // the server's, then the client's
	last, since := "", time.Now()
	s.eventually("nothing more goes to the client", func() bool {
		table, err := os.ReadFile("/proc/net/tcp")
		if err != nil {
			return true
		}
		queue := ""
		if _, row, ok := strings.Cut(string(table), ends); ok {
			queue = strings.Fields(row)[1] // sent:received, after the state
		}
		if queue != last || queue == "" || strings.HasPrefix(queue, "00000000") {
			last, since = queue, time.Now()
		}
		return time.Since(since) > 300*time.Millisecond
	})
}

// What waits for a client that takes nothing is not sent when a token that does not allow
// it is in force, and the answer waits for what is on its way.
func TestWhatWaitsOfALostSubjectIsThrownAway(t *testing.T) {
	t.Parallel()
	const events = 240
	for _, kind := range openKinds {
		for _, p := range plainPaths {
			t.Run(kind+"/"+p.name, func(t *testing.T) {
				s := newStackOn(t, p, func(c *edge.Config, js *jetstream.Config) {
					c.Public.QueueBytes, js.Events.MaxPerSubject = 64<<20, 2*events
					c.Public.Keepalive, c.Public.WriteTimeout = time.Minute, 2*time.Minute // it says nothing
				})
				token := s.token("ann", claims{"extra": "a"})
				conn := s.dialRaw(kind, token, pathEvents+"?subject=topic.extra.a")
				var connection string
				s.eventually("the connection is open", func() bool {
					g := s.get("users/ann")
					if len(g.Connections) == 1 {
						connection = g.Connections[0].ID
					}
					return connection != "" && s.metric("weft_edge_connect_seconds", "transport", kind) == 1
				})
				pad := strings.Repeat("x", 60<<10) // more than the kernel holds for a connection, by far
				for range events {
					s.store("topic.extra.a", "", []byte(`"lost `+pad+`"`))
				}
				for range 10 {
					s.store("user.ann", "", []byte(`"left `+pad+`"`))
				}
				s.stalled(conn)
				answered := make(chan string, 1)
				go func() {
					status, body := s.patch(connection, token, tokenChange(s.token("ann", nil)))
					if status != 200 {
						t.Errorf("answered %d", status)
					}
					answered <- strings.TrimSpace(body)
				}()
				s.eventually("the token is in force", func() bool {
					resp, _ := s.do("PATCH", pathConnections+connection, s.token("bob", nil), `{"set":[]}`)
					return resp.StatusCode == 409 && len(s.get("topics/extra.a").Items) == 0
				})
				select {
				case body := <-answered:
					t.Fatalf("answered %s while something is on its way", body)
				default:
				}
				left, lost, told := 0, 0, false
				hear := func(h heard) {
					switch {
					case h.typ == wire.TypeUnsubscribed:
						told = true
					case strings.HasPrefix(h.data, `"lost`):
						if lost++; told {
							t.Error("an event of the lost subject comes after it was told to be lost")
						}
					case strings.HasPrefix(h.data, `"left`):
						left++
					}
					if told && left == 10 {
						_ = conn.Close()
					}
				}
				if kind == transport.SSE {
					readSSE(conn, hear)
				} else {
					readFrames(conn, func(message []byte) { hear(parseFrame(message)) })
				}
				if body := <-answered; body != `{"subjects":["user.ann"]}` {
					t.Errorf("answered %s", body)
				}
				if left != 10 || !told || lost == 0 || lost == events {
					t.Errorf("heard %d events of what is left and %d of %d of what is lost, told: %v", left, lost, events, told)
				}
			})
		}
	}
}
