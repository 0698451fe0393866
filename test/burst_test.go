package test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"weft/config/testkit/slow"
	"weft/config/testkit/standstill"
	"weft/test/stage"
)

// A watched is an open connection of one session, of which nothing is kept but how it ends.
type watched struct {
	session string
	conn    net.Conn
	revoked bool // it was told so
	ended   time.Time
}

// watch opens an event stream on a plain socket, without what an http.Client costs, and
// returns when weft.open has come.
func watch(ctx context.Context, n *stage.Node, session, token string) (*watched, *bufio.Reader, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", n.Address())
	if err != nil {
		return nil, nil, err
	}
	if _, err := fmt.Fprintf(conn, "GET /_weft/v1/events HTTP/1.1\r\nHost: weft\r\nAccept: text/event-stream\r\nAuthorization: Bearer %s\r\n\r\n", token); err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	in := bufio.NewReaderSize(conn, 512)
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	for {
		line, err := in.ReadString('\n')
		switch {
		case err != nil:
			return nil, nil, errors.Join(err, conn.Close())
		case strings.HasPrefix(line, "HTTP/1.1 ") && !strings.HasPrefix(line, "HTTP/1.1 200"), strings.Contains(line, "weft.close"):
			return nil, nil, errors.Join(fmt.Errorf("refused: %s", line), conn.Close())
		case strings.HasPrefix(line, "event: weft.open"):
			_ = conn.SetReadDeadline(time.Time{})
			return &watched{session: session, conn: conn}, in, nil
		}
	}
}

// until reads until the connection ends.
func (w *watched) until(in *bufio.Reader) {
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			w.ended = time.Now()
			return
		}
		if strings.Contains(line, `"reason":"revoked"`) {
			w.revoked = true
		}
	}
}

// Sessions that are revoked in a burst, as when a secret was lost, are all cut within a
// second of the last entry, on all nodes; nobody else is.
func TestTenThousandSessionsRevokedInABurstAreCutWithinASecond(t *testing.T) {
	slow.Test(t, "ten thousand connections")
	const sessions, others, atOnce = 10_000, 300, 64
	ctx := within(t, 8*time.Minute)
	nodes := stage.StartCluster(t, ctx, map[string]any{"public.keepalive": "60s"})

	all := make([]*watched, sessions+others)
	var reading sync.WaitGroup
	var failed atomic.Pointer[error]
	next, opening := atomic.Int64{}, sync.WaitGroup{}
	for range atOnce {
		opening.Go(func() {
			for failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(all) {
					return
				}
				session := fmt.Sprintf("burst-%d", i)
				token := stage.Token(t, fmt.Sprintf("user%d", i%5000), stage.Claims{"jti": session})
				for {
					w, in, err := watch(ctx, nodes[i%len(nodes)], session, token)
					if err == nil {
						all[i] = w
						reading.Go(func() { w.until(in) })
						break
					}
					if ctx.Err() != nil || !strings.Contains(err.Error(), "weft.close") && !errors.Is(err, io.EOF) { // too many at once: come back
						failed.Store(&err)
						return
					}
				}
			}
		})
	}
	opening.Wait()
	t.Cleanup(func() {
		for _, w := range all {
			if w != nil {
				_ = w.conn.Close()
			}
		}
		reading.Wait()
	})
	if err := failed.Load(); err != nil {
		t.Fatalf("open connection %d: %v", next.Load(), *err)
	}

	still, began := standstill.Begin(t), time.Now()
	last := burst(t, ctx, nodes, all[:sessions])
	t.Logf("%d sessions were revoked in %v", sessions, last.Sub(began).Round(time.Millisecond))
	eventually(t, time.Minute, "no node has a connection of a session that was revoked", func() bool {
		n := 0
		for _, node := range nodes {
			n += int(metric(t, node, `weft_edge_connections\{transport="sse"\}`))
		}
		return n == others
	})
	lost := still.Lost()
	for _, w := range all[sessions:] {
		_ = w.conn.Close() // who was not cut ends now
	}
	reading.Wait()
	var latest time.Time
	for i, w := range all {
		switch {
		case i < sessions && !w.revoked:
			t.Errorf("%s ended and was not told that it was revoked", w.session)
		case i < sessions && w.ended.After(latest):
			latest = w.ended
		case i >= sessions && w.revoked:
			t.Errorf("%s was cut, and nobody revoked it", w.session)
		}
	}
	if took := latest.Sub(last); took > time.Second+lost {
		t.Errorf("the last connection was cut %v after the last entry was stored, want less than 1s (the machine stood still for %v)", took, lost)
	} else {
		t.Logf("the last connection was cut %v after the last entry was stored", took.Round(time.Millisecond))
	}
}

// burst puts all sessions into the blacklist, by each node in turn, and returns when the
// last entry was stored.
func burst(t *testing.T, ctx context.Context, nodes []*stage.Node, all []*watched) (last time.Time) {
	t.Helper()
	var stored atomic.Int64
	var latest atomic.Pointer[time.Time]
	done := make(chan struct{})
	var clients []*nats.Conn
	var inboxes []string
	for _, n := range nodes {
		nc, inbox := n.NATS(), nats.NewInbox()
		if _, err := nc.Subscribe(inbox, func(m *nats.Msg) {
			if strings.Contains(string(m.Data), `"error"`) || m.Header.Get("Status") != "" {
				t.Errorf("put: %s %v", m.Data, m.Header)
			}
			if stored.Add(1) == int64(len(all)) {
				latest.Store(new(time.Now()))
				close(done)
			}
		}); err != nil {
			t.Fatal(err)
		}
		clients, inboxes = append(clients, nc), append(inboxes, inbox)
	}
	for i, w := range all {
		if i%500 == 499 { // as fast as the bucket takes them, not faster
			eventually(t, time.Minute, "entries are stored", func() bool { return stored.Load() > int64(i-1500) })
		}
		if err := clients[i%len(clients)].PublishRequest("$KV.blacklist."+w.session, inboxes[i%len(clients)], []byte("revoked")); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-done:
	case <-ctx.Done():
		t.Fatalf("%d of %d entries were stored", stored.Load(), len(all))
	}
	return *latest.Load()
}
