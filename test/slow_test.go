package test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"weft/test/client"
	"weft/test/stage"
)

// A stuck reader has opened a connection and does not read.
type stuck struct {
	kind client.Transport
	conn net.Conn
}

// openStuck opens a connection of which only the head is read. The kernel takes in a
// few megabytes more.
func openStuck(t *testing.T, n *stage.Node, kind client.Transport, token string) stuck {
	t.Helper()
	if kind == client.WebSocket {
		dialer := websocket.Dialer{Subprotocols: []string{"weft.v1", "bearer." + token}}
		ws, _, err := dialer.Dial(strings.Replace(n.URL(), "http", "ws", 1)+"/_weft/v1/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ws.Close() })
		return stuck{kind, ws.NetConn()}
	}
	conn, err := net.Dial("tcp", n.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "GET /_weft/v1/events HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\nAuthorization: Bearer %s\r\n\r\n", n.Address(), token)
	head := make([]byte, 12)
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.ReadFull(conn, head); err != nil || !bytes.HasSuffix(head, []byte("200")) {
		t.Fatalf("head %q, %v", head, err)
	}
	return stuck{kind, conn}
}

// metric sums the series of a metric whose line matches.
func metric(t testing.TB, n *stage.Node, pattern string) float64 {
	t.Helper()
	req, err := http.NewRequest("GET", n.AdminURL()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := exchange(t, req)
	sum := 0.0
	for _, m := range regexp.MustCompile(`(?m)^`+pattern+` (\S+)$`).FindAllSubmatch(body, -1) {
		v, err := strconv.ParseFloat(string(m[len(m)-1]), 64)
		if err != nil {
			t.Fatalf("metric %q: %v", m[0], err)
		}
		sum += v
	}
	return sum
}

// Readers that stop reading cost at most their queues, are cut with slow, and can
// come back with their id for all of it; the others get their events as ever.
func TestReaderThatStopsIsCutAndOthersNoticeNothing(t *testing.T) {
	const (
		size    = 256 << 10
		rounds  = 300 // of one event each for ann: 75 MiB
		readers = 10  // of each transport
	)
	node := stage.StartNode(t, stage.Settings(t.TempDir()).
		With("public.queue_bytes", "1MiB").With("events.max_per_subject", 10_000))
	token := stage.Token(t, "ann", nil)
	start := record(t, client.SSE, client.Target{URL: node.URL(), Token: token})
	start.Close()

	var all []stuck
	for range readers {
		all = append(all, openStuck(t, node, client.SSE, token), openStuck(t, node, client.WebSocket, token))
	}
	bob := everywhere(t, node, "bob")
	before, err := node.Process().RSS()
	if err != nil {
		t.Fatal(err)
	}
	peak := before
	payload := bytes.Repeat([]byte("x"), size)
	var worst time.Duration
	for i := range rounds {
		publish(t, node, "ann", "", payload)
		if i%10 != 0 {
			continue
		}
		sent := time.Now()
		publish(t, node, "bob", "", fmt.Appendf(nil, "%d", i))
		for kind, r := range bob {
			if _, err := r.AwaitEvents(soon(t), i/10+1); err != nil {
				t.Fatalf("bob over %s beside slow readers: %v", kind, err)
			}
		}
		worst = max(worst, time.Since(sent))
		if rss, err := node.Process().RSS(); err != nil {
			t.Fatal(err)
		} else {
			peak = max(peak, rss)
		}
	}
	t.Logf("resident memory: %d MiB before, %d MiB at most; the others' slowest event took %v",
		before>>20, peak>>20, worst.Round(time.Millisecond))
	// 20 queues of 1 MiB, the kernel's share aside, and what 256 KiB events cost on
	// their way through the store. All that was sent would be 1,500 MiB.
	if grown := peak - before; grown > 200<<20 {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
	if worst > 5*time.Second { // who waits for a reader that has stopped waits for public.write_timeout, 20 s
		t.Errorf("an event for another user took %v", worst)
	}

	// Now they read: what the kernel had, then the end.
	var reading sync.WaitGroup
	for _, s := range all {
		reading.Go(func() {
			s.conn.SetReadDeadline(time.Now().Add(30 * time.Second))
			n, err := io.Copy(io.Discard, s.conn)
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Errorf("%s: still open after %d bytes", s.kind, n)
			}
			if n > rounds*size/2 {
				t.Errorf("%s: %d bytes came from a connection that was to be cut", s.kind, n)
			}
		})
	}
	reading.Wait()
	eventually(t, 20*time.Second, fmt.Sprint("the metrics count ", 2*readers, " endings with slow"), func() bool {
		return metric(t, node, `weft_\w+_total\{[^}]*"slow"[^}]*\}`) == 2*readers
	})

	resumed := record(t, client.SSE, client.Target{URL: node.URL(), Token: token, LastID: start.LastID()})
	events, err := resumed.AwaitEvents(within(t, time.Minute), rounds)
	if err != nil || len(events) != rounds || resumed.Count(client.TypeReset) != 0 {
		t.Errorf("%d events and %d resets after coming back (%v), want %d and none",
			len(events), resumed.Count(client.TypeReset), err, rounds)
	}
}
