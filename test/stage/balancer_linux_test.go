package stage

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// An upstream looks like a node to a balancer: it says its name to whoever comes
// and answers readiness with a status, or after it was cut with nothing.
type upstream struct {
	node   *Node
	status atomic.Int32
	cut    chan struct{}
}

func newUpstream(t *testing.T, name string) *upstream {
	t.Helper()
	u := &upstream{cut: make(chan struct{})}
	u.status.Store(http.StatusOK)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // what it reads it sends back
				defer conn.Close()
				io.WriteString(conn, name)
				io.Copy(conn, conn)
			}()
		}
	}()
	over := make(chan struct{})
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-u.cut:
			<-over
		default:
			w.WriteHeader(int(u.status.Load()))
		}
	}))
	t.Cleanup(func() { l.Close(); close(over); admin.Close() })
	u.node = &Node{Config: Config{"node.name": name}, public: l.Addr().String(), admin: strings.TrimPrefix(admin.URL, "http://")}
	return u
}

// visit opens a connection and returns the name of the node that it came to, ""
// when there is none.
func visit(t *testing.T, b *Balancer) (net.Conn, string) {
	t.Helper()
	conn, err := net.Dial("tcp", b.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	name := make([]byte, 2)
	if _, err := io.ReadFull(conn, name); err != nil {
		return conn, ""
	}
	return conn, string(name)
}

func visitNode(t *testing.T, ctx context.Context, b *Balancer, want string) net.Conn {
	t.Helper()
	for ctx.Err() == nil {
		if conn, name := visit(t, b); name == want {
			return conn
		}
	}
	t.Fatalf("no connection came to %s", want)
	return nil
}

func TestABalancerLetsANodeThatIsNotReadyKeepItsConnectionsAndCutsThoseOfOneThatIsGone(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	one, two := newUpstream(t, "n1"), newUpstream(t, "n2")
	b := StartBalancer(t, ctx, []*Node{one.node, two.node})
	state := func(what string) {
		t.Helper()
		if _, err := b.process.AwaitLine(ctx, func(line string) bool { return strings.Contains(line, "Server nodes/n1 is "+what) }); err != nil {
			t.Fatal(err)
		}
	}
	kept := visitNode(t, ctx, b, "n1")
	visitNode(t, ctx, b, "n2")

	one.status.Store(http.StatusServiceUnavailable)
	state("stopping")
	for range 8 {
		if _, name := visit(t, b); name != "n2" {
			t.Fatalf("a connection came to %q while n1 was not ready", name)
		}
	}
	if !passes(t, kept, kept, true) {
		t.Fatal("a connection to a node that is not ready does not pass any more")
	}

	close(one.cut)
	state("DOWN")
	kept.SetReadDeadline(time.Now().Add(20 * time.Second))
	if n, err := kept.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("a connection to a node that is gone goes on: %d, %v", n, err)
	}
	for range 8 {
		if _, name := visit(t, b); name != "n2" {
			t.Fatalf("a connection came to %q while n1 was gone", name)
		}
	}
}

func TestABalancerThatRestartsHasLostAllConnections(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	b := StartBalancer(t, ctx, []*Node{newUpstream(t, "n1").node})
	before := visitNode(t, ctx, b, "n1")
	b.Restart(ctx)
	if n, err := before.Read(make([]byte, 1)); err == nil {
		t.Fatalf("a connection outlives the balancer: %d", n)
	}
	visitNode(t, ctx, b, "n1")
}
