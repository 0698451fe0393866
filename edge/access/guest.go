package edge

import (
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"weft/edge/access"
	"weft/edge/httpd"
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
	peer  *access.Peer // nil: it is not counted
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

// Known implements httpd.Guest.
func (g *guest) Known() bool { return g.known.Load() }

// Left implements httpd.Guest.
func (g *guest) Left() time.Duration { return strangerTime - time.Since(g.since) }

// welcomes is arrive for an httpd.Listener.
func (g *gate) welcomes(a netip.Addr) (httpd.Guest, func(), bool) {
	in, ok := g.arrive(a)
	switch {
	case !ok:
		return nil, nil, false
	case in.peer == nil:
		return in, nil, true
	}
	return in, in.peer.Close, true
}

// guestOf is whose request it is; nil when the listener counts nobody.
func guestOf(w http.ResponseWriter, r *http.Request) *guest {
	g, _ := httpd.GuestOf(w, r).(*guest)
	return g
}
