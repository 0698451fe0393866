package bench

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"weft/test/stage"
)

// BenchmarkNATSToSSE sends 200,000 events of 128 bytes, each to one of 1,000 users
// with one SSE connection, as fast as they are stored: publish, store, deliver.
func BenchmarkNATSToSSE(b *testing.B) {
	const (
		events = 200_000
		size   = 128
		users  = 1000
	)
	node := stage.StartNode(b, stage.Settings(b.TempDir()))
	var delivered atomic.Int64
	arrived := make(chan struct{}, 1)
	for i := range users {
		follow(b, node, fmt.Sprintf("user%d", i), func(n int) {
			delivered.Add(int64(n))
			select {
			case arrived <- struct{}{}:
			default:
			}
		})
	}
	nc, err := nats.Connect("nats://" + node.NATSAddress())
	if err != nil {
		b.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(4096))
	if err != nil {
		b.Fatal(err)
	}
	payload := append(bytes.Repeat([]byte("x"), size-1), mark)
	b.Logf("%d events of %d bytes, %d users; %s", events, size, users, machine())

	for b.Loop() {
		delivered.Store(0)
		meter := startMeter(b, node)
		for i := range events {
			if _, err := js.PublishAsync(fmt.Sprintf("user.user%d", i%users), payload, jetstream.WithStallWait(30*time.Second)); err != nil {
				b.Fatal(err)
			}
		}
		stalled := time.NewTimer(30 * time.Second)
		for delivered.Load() < events {
			select {
			case <-arrived:
				stalled.Reset(30 * time.Second)
			case <-stalled.C:
				b.Fatalf("%d of %d events delivered", delivered.Load(), events)
			}
		}
		stalled.Stop()
		meter.stop(events, meter.began)
	}
}

// mark is a byte that the payload holds once and nothing else of the stream does.
const mark = '~'

// follow holds a bare SSE connection that counts the events that come.
func follow(b *testing.B, node *stage.Node, user string, came func(n int)) {
	b.Helper()
	if err := followAlso(b, node, stage.Token(b, user, nil), nil, came); err != nil {
		b.Fatalf("follow %s: %v", user, err)
	}
}

// perConnection is how many subjects a connection of followMany asks for; it may for 256.
const perConnection = 250

// followMany holds connections of users with these claims that follow subjects, each once.
// Some connections open at the same time.
func followMany(b *testing.B, node *stage.Node, claims stage.Claims, subjects []string, came func(n int)) {
	b.Helper()
	const atOnce = 16
	parts := slices.Collect(slices.Chunk(subjects, perConnection))
	var next atomic.Int64
	opened := make(chan error, atOnce)
	for range atOnce {
		go func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(parts) {
					opened <- nil
					return
				}
				if err := followAlso(b, node, stage.Token(b, fmt.Sprint("many", i), claims), parts[i], came); err != nil {
					opened <- err
					return
				}
			}
		}()
	}
	for range atOnce {
		if err := <-opened; err != nil {
			b.Fatalf("follow %d subjects: %v", len(subjects), err)
		}
	}
}

// followAlso does so with a token, and follows more than that receives. It may be called
// concurrently.
func followAlso(b *testing.B, node *stage.Node, token string, subjects []string, came func(n int)) error {
	conn, err := net.Dial("tcp", node.Address())
	if err != nil {
		return err
	}
	b.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "GET /_weft/v1/events?%s HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\nAuthorization: Bearer %s\r\n\r\n",
		url.Values{"subject": subjects}.Encode(), node.Address(), token)
	open := make(chan error, 1)
	go func() {
		buf := make([]byte, 4<<10)
		head := []byte{}
		for opened := false; ; {
			n, err := conn.Read(buf)
			if err != nil {
				if !opened {
					open <- fmt.Errorf("%w after %q", err, head)
				}
				return
			}
			if !opened {
				if head = append(head, buf[:n]...); bytes.Contains(head, []byte("weft.open")) {
					opened = true
					open <- nil
				}
			}
			if k := bytes.Count(buf[:n], []byte{mark}); k > 0 {
				came(k)
			}
		}
	}()
	return <-open
}
