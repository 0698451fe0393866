package test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"weft/test/client"
	"weft/test/stage"
)

// Clients that are slow, broken or gone hold no connection, goroutine, descriptor
// or memory once they have been found out, and meanwhile nobody else waits.
func TestHostileClientsHoldNothing(t *testing.T) {
	for _, scene := range []struct {
		name      string
		attack    func(*siege)
		keepalive time.Duration
	}{
		{"requests that come a byte at a time", attackSlowRequests, keepalive},
		{"giant heads", attackGiantHeads, keepalive},
		{"pipelined requests", attackPipelines, keepalive},
		{"connections that speak HTTP2", attackHTTP2, keepalive},
		{"half-closed connections", attackHalfClosed, keepalive},
		{"resets", attackResets, keepalive},
		{"readers that do not read", attackZeroWindows, time.Minute},
		{"frames that break the protocol", attackBadFrames, keepalive},
		{"messages that are never finished", attackUnfinished, keepalive},
		{"pings whose pongs are not read", attackPings, keepalive},
	} {
		t.Run(strings.ReplaceAll(scene.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			s := besiege(t, scene.keepalive)
			scene.attack(s)
			s.over()
		})
	}
}

const (
	// keepalive and queueBytes are those of a node under siege, unless who does not
	// answer is to be cut for something else.
	keepalive  = time.Second
	queueBytes = 256 << 10
	// varying and aClient are by how many bytes the heap may grow, in all and with
	// each hostile client: pools and tables.
	varying = 1 << 20
	aClient = 4 << 10
	// spare is by how much goroutines and descriptors may vary: the node's own,
	// and those of its publishers and operators.
	spare = 12
)

// A siege is a node with some well-behaved clients, which must not notice the
// hostile ones.
type siege struct {
	t     *testing.T
	node  *stage.Node
	token string // of the hostile clients

	before  footprint
	hostile int // clients in all
	letIn   int // connections, those of well-behaved clients included
	cached  int // bytes that the store may keep in memory of what was published

	calm   []*client.Recorder
	stop   context.CancelFunc
	ending sync.WaitGroup
	worst  time.Duration
	sent   int
}

// A footprint is what a node holds.
type footprint struct {
	connections, goroutines, files int
	heap                           int // bytes that the last garbage collection left, about
}

// besiege starts a node and its well-behaved clients, which get events until the
// end.
func besiege(t *testing.T, keepalive time.Duration) *siege {
	s := &siege{t: t, token: stage.Token(t, "eve", nil)}
	s.node = stage.StartNode(t, stage.Settings(t.TempDir()).
		With("public.keepalive", keepalive.String()).
		With("public.write_timeout", "4s").
		With("public.queue_bytes", queueBytes).
		With("auth.publish", []string{"user.{/sub}"}))
	for kind, r := range everywhere(t, s.node, "eve") { // what is made only once is made
		publish(t, s.node, "eve", "", []byte(`"first"`))
		if _, err := r.AwaitEvents(soon(t), 1); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		r.Close()
	}
	token := stage.Token(t, "ann", nil)
	for range 2 {
		for _, kind := range []client.Transport{client.SSE, client.WebSocket} {
			s.calm = append(s.calm, record(t, kind, client.Target{URL: s.node.URL(), Token: token}))
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.ending.Go(func() { s.deliver(ctx) })
	t.Cleanup(s.calmDown)
	s.settled("only the well-behaved clients are connected", func(f footprint) bool { return f.connections == len(s.calm) })
	s.letIn = s.lets()
	s.before = s.footprint()
	s.before.heap = s.heap()
	return s
}

// deliver publishes one event after the other for the well-behaved clients and
// waits for each.
func (s *siege) deliver(ctx context.Context) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		began := time.Now()
		if err := s.publish(); err != nil {
			s.t.Errorf("publish: %v", err)
			return
		}
		s.sent++
		for _, r := range s.calm {
			if _, err := r.AwaitEvents(soon(s.t), s.sent); err != nil {
				s.t.Errorf("event %d: %v", s.sent, err)
				return
			}
		}
		s.worst = max(s.worst, time.Since(began))
	}
}

// calmDown ends the delivery.
func (s *siege) calmDown() {
	s.stop()
	s.ending.Wait()
}

// publish publishes the next event. It is sent again when it is unknown whether it was
// stored, with the key by which it is stored once.
func (s *siege) publish() error {
	ctx := soon(s.t)
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.node.AdminURL()+"/_weft/v1/events?user=ann", strings.NewReader(strconv.Itoa(s.sent)))
		if err != nil {
			return err
		}
		req.Header.Set("Idempotency-Key", strconv.Itoa(s.sent))
		answer, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		answer.Body.Close()
		switch answer.StatusCode {
		case http.StatusAccepted:
			return nil
		case http.StatusServiceUnavailable:
		default:
			return fmt.Errorf("status %d", answer.StatusCode)
		}
	}
}

func (s *siege) footprint() footprint {
	s.t.Helper()
	files, err := s.node.Process().Files()
	if err != nil {
		s.t.Fatal(err)
	}
	return footprint{
		connections: int(metric(s.t, s.node, `weft_edge_connections\{[^}]*\}`)),
		goroutines:  int(metric(s.t, s.node, `go_goroutines`)),
		files:       files,
	}
}

// settled waits for what the node holds to be as hoped.
func (s *siege) settled(hope string, ok func(footprint) bool) {
	s.t.Helper()
	var f footprint
	defer func() {
		if s.t.Failed() {
			s.t.Logf("at the end: %+v, before: %+v", f, s.before)
		}
	}()
	eventually(s.t, time.Minute, hope, func() bool {
		f = s.footprint()
		return ok(f)
	})
}

// heap waits for garbage collections, to which asking contributes, and returns
// what they left: half of the size at which the next one is due (GOGC=100).
func (s *siege) heap() int {
	s.t.Helper()
	collections := func() int { return int(metric(s.t, s.node, `go_gc_duration_seconds_count`)) }
	for begin := collections(); collections() < begin+2; {
	}
	return int(metric(s.t, s.node, `go_memstats_next_gc_bytes`)) / 2
}

// over checks that the hostile clients have left nothing, although their ends of
// the connections may be open, and that nobody noticed them.
func (s *siege) over() {
	s.t.Helper()
	s.settled("the hostile clients hold no connection, goroutine or descriptor", func(f footprint) bool {
		return f.connections == len(s.calm) && f.goroutines <= s.before.goroutines+spare && f.files <= s.before.files+spare
	})
	bound := s.before.heap + varying + s.hostile*aClient + s.cached
	var heap int
	eventually(s.t, time.Minute, "the hostile clients hold no memory", func() bool {
		heap = s.heap()
		return heap <= bound
	})
	s.calmDown()
	s.t.Logf("%d clients; heap %d KiB before, %d after; %d events for the others, the slowest took %v",
		s.hostile, s.before.heap>>10, heap>>10, s.sent, s.worst.Round(time.Millisecond))
	if s.worst > 3*time.Second {
		s.t.Errorf("an event for a well-behaved client took %v", s.worst)
	}
	for _, r := range s.calm {
		events := r.Events()
		if len(events) != s.sent || r.Err() != nil || r.Count(client.TypeReset) != 0 {
			s.t.Errorf("%d events, %d resets, %v; want %d", len(events), r.Count(client.TypeReset), r.Err(), s.sent)
		}
		for i, e := range events {
			if string(e.Data) != strconv.Itoa(i) {
				s.t.Errorf("event %d is %q", i, e.Data)
				break
			}
		}
	}
	for _, line := range s.node.Process().Output() {
		if strings.Contains(line, `"level":"ERROR"`) {
			s.t.Errorf("clients make the node log an error: %s", line)
			break
		}
	}
}

// dial opens a hostile connection, which says this first. It stays open until the
// test ends.
func (s *siege) dial(first string) *net.TCPConn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.node.Address())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	s.hostile++
	if _, err := conn.Write([]byte(first)); err != nil {
		s.t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// dials opens n of them.
func (s *siege) dials(n int, first string) []*net.TCPConn {
	s.t.Helper()
	var all []*net.TCPConn
	for range n {
		all = append(all, s.dial(first))
	}
	return all
}

// follow spells a request for events.
func (s *siege) follow(kind client.Transport, query string) string {
	more := ""
	switch kind {
	case client.SSE:
		more = "Accept: text/event-stream\r\n"
	case client.WebSocket:
		more = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	}
	return fmt.Sprintf("GET /_weft/v1/events%s HTTP/1.1\r\nHost: weft\r\nAuthorization: Bearer %s\r\n%s\r\n", query, s.token, more)
}

// connected waits until n more hostile clients have been let in: the first may have been cut
// by then.
func (s *siege) connected(n int) {
	s.t.Helper()
	s.letIn += n
	eventually(s.t, time.Minute, fmt.Sprintf("%d hostile clients are let in", n), func() bool { return s.lets() >= s.letIn })
}

// lets is how many connections have been let in.
func (s *siege) lets() int { return int(metric(s.t, s.node, `weft_edge_connects_total\{[^}]*\}`)) }

// cut waits until the node has ended each of the connections, and returns what it
// had said.
func (s *siege) cut(conns []*net.TCPConn) [][]byte {
	s.t.Helper()
	said := make([][]byte, len(conns))
	var reading sync.WaitGroup
	for i, conn := range conns {
		reading.Go(func() {
			conn.SetReadDeadline(time.Now().Add(30 * time.Second))
			var got bytes.Buffer
			if _, err := got.ReadFrom(conn); os.IsTimeout(err) {
				s.t.Errorf("connection %d is still open after %q", i, got.Bytes()[:min(got.Len(), 500)])
			}
			said[i] = got.Bytes()
		})
	}
	reading.Wait()
	return said
}

// reads waits until the text has come.
func (s *siege) reads(conn *net.TCPConn, text string) []byte {
	s.t.Helper()
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	var got []byte
	buf := make([]byte, 4096)
	for !bytes.Contains(got, []byte(text)) {
		n, err := conn.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil {
			s.t.Fatalf("%v after %q, want %q", err, got, text)
		}
	}
	return got
}

// deaf makes a connection take little more than it has to.
func (s *siege) deaf(conns []*net.TCPConn) []*net.TCPConn {
	for _, c := range conns {
		if err := c.SetReadBuffer(4096); err != nil {
			s.t.Fatal(err)
		}
	}
	return conns
}

// reset ends connections without a goodbye.
func (s *siege) reset(conns ...[]*net.TCPConn) {
	s.t.Helper()
	for _, c := range slices.Concat(conns...) {
		if err := c.SetLinger(0); err != nil {
			s.t.Fatal(err)
		}
		c.Close()
	}
}

// trickle writes the text to all connections, a byte each per round and again
// from its start at its end, until done is closed. Who was cut does not mind.
func trickle(conns []*net.TCPConn, text string, every time.Duration, done <-chan struct{}) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-tick.C:
		case <-done:
			return
		}
		for _, c := range conns {
			_, _ = c.Write([]byte{text[i%len(text)]})
		}
	}
}
