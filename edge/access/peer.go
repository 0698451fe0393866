package access

import "net/netip"

// leastRoom is how many connections without a session an address may always have:
// a browser opens six at once.
const leastRoom = 16

// A Peer is an accepted connection as the limits see it. While it has no session it
// is one of those without of its address. A nil Peer is not counted. Its methods may
// be called concurrently.
type Peer struct {
	l    *Limiter
	addr netip.Addr // as it is counted

	// Guarded by the limiter's mu.
	sessions int
	closed   bool
}

// Arrive counts a connection from addr that was accepted, until its Close. It is nil
// when addresses have no limit. Of those without a session an address may have as
// many as of sessions, and at least leastRoom: who has all its sessions must be able
// to ask for something, or to be told so. The error is a *LimitError.
func (l *Limiter) Arrive(addr netip.Addr) (*Peer, error) {
	if l.limits.PerAddress == 0 || !addr.IsValid() {
		return nil, nil
	}
	p := &Peer{l: l, addr: CountedAs(addr)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.idle[p.addr] >= max(l.limits.PerAddress, leastRoom) {
		return nil, l.refuse("per_address", retryFull)
	}
	l.idle[p.addr]++
	return p, nil
}

// Begin tells that a session of the connection, which may have several, begins.
// Those are counted by Acquire.
func (p *Peer) Begin() {
	if p == nil {
		return
	}
	p.l.mu.Lock()
	defer p.l.mu.Unlock()
	if p.sessions++; p.sessions == 1 && !p.closed {
		less(p.l.idle, p.addr)
	}
}

// End tells that one has ended.
func (p *Peer) End() {
	if p == nil {
		return
	}
	p.l.mu.Lock()
	defer p.l.mu.Unlock()
	if p.sessions--; p.sessions == 0 && !p.closed {
		p.l.idle[p.addr]++
	}
}

// Close tells that the connection is closed. It may be called again.
func (p *Peer) Close() {
	if p == nil {
		return
	}
	p.l.mu.Lock()
	defer p.l.mu.Unlock()
	if !p.closed && p.sessions == 0 {
		less(p.l.idle, p.addr)
	}
	p.closed = true
}
