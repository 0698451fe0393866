package stage

import (
	"io"
	"net"
	"sync"
	"testing"
)

// A Relay passes TCP connections on to an address and can cut them all, as a
// network does that goes away under a browser.
type Relay struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	down  bool
	count int
}

// NewRelay listens on a free loopback port until the test ends.
func NewRelay(t testing.TB, target string) *Relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	r := &Relay{listener: l, target: target, conns: map[net.Conn]struct{}{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { r.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		r.Cut()
		running.Wait()
	})
	return r
}

// URL is the address of the relay as an HTTP origin.
func (r *Relay) URL() string { return "http://" + r.listener.Addr().String() }

// Cut closes all connections and refuses further ones until Mend.
func (r *Relay) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = true
	for c := range r.conns {
		c.Close()
	}
}

// Mend lets connections through again.
func (r *Relay) Mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = false
}

// Served says how many connections have been passed on.
func (r *Relay) Served() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

func (r *Relay) serve(conn net.Conn) {
	defer conn.Close()
	if !r.keep(conn) {
		return
	}
	defer r.forget(conn)
	up, err := net.Dial("tcp", r.target)
	if err != nil {
		return
	}
	defer up.Close()
	if !r.keep(up) {
		return
	}
	defer r.forget(up)
	r.mu.Lock()
	r.count++
	r.mu.Unlock()
	var both sync.WaitGroup
	pass := func(to, from net.Conn) {
		io.Copy(to, from)
		to.Close()
		from.Close()
	}
	both.Go(func() { pass(up, conn) })
	both.Go(func() { pass(conn, up) })
	both.Wait()
}

func (r *Relay) keep(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down {
		return false
	}
	r.conns[c] = struct{}{}
	return true
}

func (r *Relay) forget(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
}
