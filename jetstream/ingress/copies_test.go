package ingress

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weft/jetstream/event"
	"weft/jetstream/natsconn"
)

// A peer is a server that answers nobody by itself, and remembers what is published.
type peer struct {
	conn net.Conn

	mu        sync.Mutex
	published []publication
}

type publication struct{ subject, reply, data string }

func dialPeer(t *testing.T) (*natsconn.Conn, *peer) {
	t.Helper()
	near, far := net.Pipe()
	p := &peer{conn: far}
	t.Cleanup(func() { near.Close(); far.Close() })
	go p.serve()
	c, err := natsconn.Open(near, natsconn.Login{})
	if err != nil {
		t.Fatal(err)
	}
	return c, p
}

// serve reads until the connection ends.
func (p *peer) serve() {
	in := bufio.NewReader(p.conn)
	fmt.Fprint(p.conn, "INFO {}\r\n")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		fields := strings.Fields(line)
		switch fields[0] {
		case "PING":
			fmt.Fprint(p.conn, "PONG\r\n")
		case "PUB":
			var size int
			fmt.Sscan(fields[len(fields)-1], &size)
			data := make([]byte, size+2)
			if _, err := io.ReadFull(in, data); err != nil {
				return
			}
			m := publication{subject: fields[1], data: string(data[:size])}
			if len(fields) == 4 {
				m.reply = fields[2]
			}
			p.mu.Lock()
			p.published = append(p.published, m)
			p.mu.Unlock()
		}
	}
}

// send sends a message to whoever has subscribed.
func (p *peer) send(subject, data string) {
	fmt.Fprintf(p.conn, "MSG %s 1 %d\r\n%s\r\n", subject, len(data), data)
}

// heard are the data of what was published on a subject.
func (p *peer) heard(subject string) (all []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.published {
		if m.subject == subject {
			all = append(all, m.data)
		}
	}
	return all
}

// reply is where the answer for a subject is to go.
func (p *peer) reply(t *testing.T, subject string) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.published, func(m publication) bool { return m.subject == subject })
	if i < 0 {
		t.Fatalf("nothing is published to %s", subject)
	}
	return p.published[i].reply
}

// A message that became several events is acknowledged after the last answer. One that
// waits for an answer of which the time is over is not, whatever comes later: its publisher
// sends it again. And one that is not stored in part is refused.
func TestAMessageIsAcknowledgedOnlyWhenEachOfItsEventsIs(t *testing.T) {
	for name, c := range map[string]struct {
		second string        // the answer for the second event
		after  time.Duration // when that comes
		crowd  bool          // so many others come that they need its place
		told   string        // begins what the publisher is told; "" is nothing
	}{
		"both are stored":                         {`{"stream":"EVENTS","seq":8}`, time.Second, false, `{"stream":"EVENTS","seq":8,"id":"e8","ids":["e7","e8"]}`},
		"the first was there already":             {`{"stream":"EVENTS","seq":5,"duplicate":true}`, time.Second, false, `{"stream":"EVENTS","seq":7,"id":"e7","ids":["e7","e5"]}`},
		"late, and nobody needs the place":        {`{"stream":"EVENTS","seq":8}`, 2 * ackTimeout, false, `{"stream":"EVENTS","seq":8,`},
		"late, and its place is another's":        {`{"stream":"EVENTS","seq":8}`, 2 * ackTimeout, true, ""},
		"in time, although others wait for place": {`{"stream":"EVENTS","seq":8}`, ackTimeout - time.Millisecond, true, `{"stream":"EVENTS","seq":8,`},
		"one is refused":                          {`{"error":{"code":503,"err_code":10047,"description":"resource"},"stream":"EVENTS","seq":0}`, time.Second, false, `{"error":`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				toClient, client := dialPeer(t)
				toStore, store := dialPeer(t)
				f := newForwarding(toClient, toStore, "_WEFT.x.", func(seq uint64) string { return fmt.Sprint("e", seq) })
				go f.forwardAnswers(func(error) {})
				send := func(subject string, as forwarded) error {
					return errors.Join(f.send(t.Context(), &event.Event{Subject: subject}, "", as), toStore.Flush())
				}
				const inbox, another = "_INBOX.a.b", "_INBOX.another"
				both := newCopies([]byte(inbox), 2)
				if err := errors.Join(send("user.ann", forwarded{copies: both}), send("user.bob", forwarded{copies: both, copy: 1})); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				store.send(store.reply(t, "user.ann"), `{"stream":"EVENTS","seq":7}`)
				if c.crowd {
					go func() {
						for i := 0; i < window && send(fmt.Sprint("user.", i), forwarded{reply: []byte(another)}) == nil; i++ {
						}
					}()
				}
				time.Sleep(c.after)
				synctest.Wait()
				if told := client.heard(inbox); len(told) > 0 {
					t.Fatalf("told %s before the second answer", told)
				}
				store.send(store.reply(t, "user.bob"), c.second)
				synctest.Wait()
				if told := client.heard(inbox); len(told) != min(len(c.told), 1) || len(told) == 1 && !strings.HasPrefix(told[0], c.told) {
					t.Errorf("told %q, want %q", told, c.told)
				}
				if told := client.heard(another); len(told) > 0 {
					t.Errorf("others are told %q, of whose events nothing is known", told)
				}
				toClient.Close()
				toStore.Close()
			})
		})
	}
}
