package edge

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"weft/edge/admit"
)

const (
	// silentTime is how long a connection that has not shown whose it is may say
	// nothing, strangerTime how long it may exist, whatever it says.
	silentTime   = 5 * time.Second
	strangerTime = 15 * time.Second
	// readTime is how long it may take to read the last answer.
	readTime = 500 * time.Millisecond
)

// A guest is an accepted connection of the public listener, whoever reads it, until
// it closes. It may stay when it has shown a token that is good for something, which
// ends with the session, or when it is a trusted proxy's. All others are gone soon.
type guest struct {
	peer  *admit.Peer // nil: it is not counted
	since time.Time
	known atomic.Bool
}

// arrive makes the guest of a connection that was accepted, and reports whether
// there is room for it. A proxy's address is not counted: it stands for many
// clients, who are counted by their own once they ask.
func (g *gate) arrive(a netip.Addr) (*guest, bool) {
	in := &guest{since: time.Now()}
	if g.proxies.Trusts(a) {
		in.known.Store(true)
		return in, true
	}
	var err error
	in.peer, err = g.limiter.Arrive(a)
	return in, err == nil
}

// welcome is called when a request of the connection was let in.
func (g *guest) welcome() {
	if g != nil && !g.known.Load() {
		g.known.Store(true)
	}
}

// patience is how long the connection may wait for a request.
func (g *guest) patience() time.Duration {
	if g.known.Load() {
		return idleTime
	}
	return min(silentTime, max(g.left(), readTime))
}

// left is how long a stranger may stay.
func (g *guest) left() time.Duration { return strangerTime - time.Since(g.since) }

// overstays reports whether the next answer is to be the last one.
func (g *guest) overstays() bool { return !g.known.Load() && g.left() <= 0 }

// guestKey is that of a guest in a request's context.
type guestKey struct{}

// guestOf is whose request it is.
func guestOf(w http.ResponseWriter, r *http.Request) *guest {
	if a, ok := w.(*answer); ok {
		return a.arrival.guest
	}
	g, _ := r.Context().Value(guestKey{}).(*guest)
	return g
}

// A door is the net.Listener of net/http where there is no front before it.
type door struct {
	*net.TCPListener
	gate *gate
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	for {
		conn, err := d.AcceptTCP()
		if err != nil {
			return nil, err
		}
		peer, _ := conn.RemoteAddr().(*net.TCPAddr) // nil: it has left already, on some systems
		in, ok := d.gate.arrive(peer.AddrPort().Addr())
		if !ok {
			_ = conn.Close()
			continue
		}
		return &begun{TCPConn: conn, guest: in}, nil
	}
}

// host makes a server tell of its connections, and give up strangers' in time: its
// own limits are the same for all.
func host(s *http.Server) {
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if b := begunOf(c); b != nil {
			return context.WithValue(ctx, guestKey{}, b.guest)
		}
		return ctx
	}
	s.ConnState = func(c net.Conn, state http.ConnState) {
		b := begunOf(c)
		if b == nil {
			return
		}
		switch state {
		case http.StateNew, http.StateActive:
			b.giveUpIn(max(b.guest.left(), 1))
		case http.StateIdle:
			b.giveUpIn(max(min(silentTime, b.guest.left()), 1))
		case http.StateHijacked, http.StateClosed:
			b.giveUpIn(0)
		}
	}
}

// begunOf is what net/http calls a connection, which may be wrapped in TLS.
func begunOf(c net.Conn) *begun {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn()
	}
	b, _ := c.(*begun)
	return b
}
