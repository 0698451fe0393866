package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"weft/test/stage"
)

// stormBar is how long after their node died its clients may have to wait until they are
// all served elsewhere, on two cores that do nothing else.
const stormBar = 8 * time.Second

// BenchmarkStormAfterKill kills a node of three with 10,000 clients over SSE, each of a user
// of its own with its inbox and a topic, while a GiB of events is stored, and lets them come
// back to the others with their last ids, as browsers do. Nothing but that takes the cores
// then; the seconds are from the kill to when the last one is served, and the CPU time is
// what that takes the two nodes together, per client.
func BenchmarkStormAfterKill(b *testing.B) {
	const (
		clients = 10_000
		events  = 1_000_000
		size    = 900
	)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	nodes := stage.StartCluster(b, ctx, map[string]any{"auth.subscribe": []string{"user.{/sub}", "topic.news"}})
	storeEverywhere(b, nodes, events, clients, size)
	b.Logf("%d events of %d bytes, %d clients; %s", events, size, clients, machine())
	for b.Loop() {
		s := &storm{b: b, nodes: nodes, served: make(chan time.Time, clients)}
		s.connect(clients)
		meter := startMeter(b, nodes[:2]...)
		killed := time.Now()
		nodes[2].Kill()
		s.dead.Store(true)
		var took []float64
		for range clients {
			select {
			case at := <-s.served:
				took = append(took, at.Sub(killed).Seconds())
			case <-time.After(2 * time.Minute):
				b.Fatalf("%d of %d clients are served", len(took), clients)
			}
		}
		cpu, _ := meter.used()
		slices.Sort(took)
		b.ReportMetric(took[clients/2], "s/half")
		b.ReportMetric(took[clients-1], "s/all")
		b.ReportMetric(float64((cpu-meter.cpu).Microseconds())/clients, "cpu-µs/client")
		b.ReportMetric(float64(s.resets.Load()), "resets")
		b.ReportMetric(0, "ns/op") // says nothing here
		if n := s.resets.Load(); n > 0 {
			b.Errorf("%d clients were told that history is gone", n)
		}
		if took[clients-1] > stormBar.Seconds() {
			b.Logf("OVER THE BAR: the last client waited for %.1f s, may be %v", took[clients-1], stormBar)
		}
		s.end()
		nodes[2].Start()
	}
}

// storeEverywhere stores events of so many users, a third of them at each node.
func storeEverywhere(b *testing.B, nodes []*stage.Node, events, users, size int) {
	b.Helper()
	payload := append(bytes.Repeat([]byte("x"), size-1), mark)
	var all sync.WaitGroup
	for w, n := range nodes {
		nc, err := nats.Connect("nats://" + n.NATSAddress())
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(nc.Close)
		js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(1024), jetstream.WithPublishAsyncTimeout(time.Minute))
		if err != nil {
			b.Fatal(err)
		}
		all.Go(func() {
			for i := w; i < events; i += len(nodes) {
				if _, err := js.PublishAsync(fmt.Sprint("user.user", i%users), payload, jetstream.WithStallWait(time.Minute)); err != nil {
					b.Error(err)
					return
				}
			}
			<-js.PublishAsyncComplete()
		})
	}
	all.Wait()
}

// A storm is clients that lose their node.
type storm struct {
	b       *testing.B
	nodes   []*stage.Node
	dead    atomic.Bool // the third node is
	over    atomic.Bool
	resets  atomic.Int64
	served  chan time.Time
	clients sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
}

// connect lets clients connect to the third node, and returns when all are served.
func (s *storm) connect(clients int) {
	s.b.Helper()
	arrived := make(chan struct{}, clients)
	tokens := make([]string, clients)
	for i := range tokens {
		tokens[i] = stage.Token(s.b, fmt.Sprint("user", i), nil)
	}
	for i, token := range tokens {
		s.clients.Go(func() { s.follow(i, token, arrived) })
	}
	for i := range clients {
		select {
		case <-arrived:
		case <-time.After(2 * time.Minute):
			s.b.Fatalf("%d of %d clients have connected", i, clients)
		}
	}
}

// follow is one client: it comes to the third node, and to another one when that is dead.
func (s *storm) follow(i int, token string, arrived chan<- struct{}) {
	id, wait, here := "", 2*time.Second, false
	for !s.over.Load() {
		node := s.nodes[2]
		if s.dead.Load() {
			node = s.nodes[i%2]
		}
		_ = s.read(node, token, id, func(field, value string) {
			switch field {
			case "retry":
				if ms, err := strconv.Atoi(value); err == nil {
					wait = time.Duration(ms) * time.Millisecond
				}
			case "id":
				id = value
			case "data":
				switch {
				case !strings.Contains(value, `"resume"`):
				case !here:
					here = true
					arrived <- struct{}{}
				case s.dead.Load():
					if strings.Contains(value, `"resume":"reset"`) {
						s.resets.Add(1)
					}
					s.served <- time.Now()
				}
			}
		})
		time.Sleep(wait) // as browsers do
	}
}

// read reads the fields of a stream to its end.
func (s *storm) read(node *stage.Node, token, id string, saw func(field, value string)) error {
	conn, err := net.Dial("tcp", node.Address())
	if err != nil {
		return err
	}
	defer conn.Close()
	s.mu.Lock()
	s.conns = append(s.conns, conn)
	s.mu.Unlock()
	if s.over.Load() {
		return errors.New("it is over")
	}
	fmt.Fprintf(conn, "GET /_weft/v1/events HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\nAuthorization: Bearer %s\r\n", node.Address(), token)
	if id != "" {
		fmt.Fprintf(conn, "Last-Event-ID: %s\r\n", id)
	}
	fmt.Fprint(conn, "\r\n")
	for r := bufio.NewReaderSize(conn, 1024); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		if field, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ": "); ok {
			saw(field, value)
		}
	}
}

// end lets all clients go.
func (s *storm) end() {
	s.over.Store(true)
	s.mu.Lock()
	for _, c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.clients.Wait()
}
