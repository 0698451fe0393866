package access

import (
	"net/netip"
	"sync/atomic"
	"time"
)

const (
	// SilentTime is how long a connection that has not shown whose it is may say
	// nothing, StrangerTime how long it may exist, whatever it says.
	SilentTime   = 5 * time.Second
	StrangerTime = 15 * time.Second
	// ReadTime is how long it may take to read the last response.
	ReadTime = 500 * time.Millisecond
)

// A Guest is an accepted connection of the public listener, whoever reads it, until
// it closes. It may stay when it has shown a token that is good for something, which
// ends with the session, or when it is a trusted proxy's. All others are gone soon.
type Guest struct {
	peer  *Peer // nil: it is not counted
	since time.Time
	known atomic.Bool
}

// Arrive makes the guest of a connection that was accepted, and reports whether
// there is room for it. A proxy's address is not counted: it stands for many
// clients, who are counted by their own once they ask.
func (g *Guard) Arrive(a netip.Addr) (*Guest, bool) {
	in := &Guest{since: time.Now()}
	if g.proxies.Trusts(a) {
		in.known.Store(true)
		return in, true
	}
	var err error
	in.peer, err = g.limiter.Arrive(a)
	return in, err == nil
}

// Closed is to be called when the connection is closed, at least once; nil when nobody
// counts it.
func (g *Guest) Closed() func() {
	if g.peer == nil {
		return nil
	}
	return g.peer.Close
}

// Welcome is called when a request of the connection was let in. g may be nil.
func (g *Guest) Welcome() {
	if g != nil && !g.known.Load() {
		g.known.Store(true)
	}
}

// Known reports whether the connection may stay.
func (g *Guest) Known() bool { return g.known.Load() }

// Left is how long it may stay when it is not known.
func (g *Guest) Left() time.Duration { return StrangerTime - time.Since(g.since) }
