package httpd

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// A prefixedConn is a connection for net/http, from which something may have been read:
// that comes first.
type prefixedConn struct {
	*net.TCPConn
	read     []byte
	listener *Listener
	guest    Guest
	head     head

	mu    sync.Mutex
	end   time.Time   // when it is given up, as a stranger's; zero: it is not
	timer *time.Timer // looks whether it is time; it is set seldom, while end changes with each request
	rings time.Time   // when it does that; zero: it does not
	over  bool        // it is closed
	busy  int         // requests that may take as long as they take
	until time.Time   // when the last one of them has had its time to be followed by another
}

// Read implements net.Conn.
func (p *prefixedConn) Read(b []byte) (int, error) {
	if len(p.read) == 0 {
		n, err := p.TCPConn.Read(b)
		p.head.note(b[:n])
		return n, err
	}
	n := copy(b, p.read)
	if p.read = p.read[n:]; len(p.read) == 0 {
		p.read = nil
	}
	p.head.note(b[:n])
	return n, nil
}

// Close implements net.Conn.
func (p *prefixedConn) Close() error {
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	p.giveUpIn(0)
	if closed := p.guest.Closed(); closed != nil {
		closed()
	}
	return p.TCPConn.Close()
}

// giveUpIn closes the connection after d unless its guest is known by then; 0 is
// never. A later call counts.
func (p *prefixedConn) giveUpIn(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end = time.Time{}
	if d == 0 && p.timer != nil {
		p.timer.Stop()
		p.rings = time.Time{}
	}
	if d == 0 || p.over || p.busy > 0 || p.guest.Known() {
		return
	}
	p.end = time.Now().Add(d)
	if p.rings.IsZero() || p.end.Before(p.rings) {
		p.ringIn(d)
	}
}

// ringIn sets the timer. p.mu must be held.
func (p *prefixedConn) ringIn(d time.Duration) {
	p.rings = time.Now().Add(d)
	if p.timer == nil {
		p.timer = time.AfterFunc(d, p.ring)
	} else {
		p.timer.Reset(d)
	}
}

// ring closes the connection if it is time.
func (p *prefixedConn) ring() {
	p.mu.Lock()
	p.rings = time.Time{}
	due := !p.end.IsZero() && p.busy == 0
	if left := time.Until(p.end); due && left > 0 {
		due = false
		p.ringIn(left)
	}
	p.mu.Unlock()
	if due && !p.guest.Known() {
		_ = p.Close()
	}
}

// Stay keeps the connection of a request from being given up as a stranger's until done
// is called: the request may take as long as it takes. last reports that the stranger's
// time is over, so that the answer is to be the last one of the connection.
func Stay(r *http.Request) (done func(), last bool) {
	p, ok := r.Context().Value(connKey{}).(*prefixedConn)
	if !ok || p.guest.Known() {
		return func() {}, false
	}
	p.mu.Lock()
	p.busy++
	p.end = time.Time{}
	p.mu.Unlock()
	return p.leave, p.guest.Left() <= 0
}

// Sever makes the connection of a request end with a reset, so that an answer which ends
// with its connection, as over HTTP/1.0, is not taken for the whole when it is cut.
func Sever(r *http.Request) {
	if p, ok := r.Context().Value(connKey{}).(*prefixedConn); ok {
		_ = p.SetLinger(0)
	}
}

// leave is the done of Stay.
func (p *prefixedConn) leave() {
	p.mu.Lock()
	p.busy--
	p.until = time.Now().Add(p.listener.cfg.Limits.Silent)
	p.mu.Unlock()
	p.giveUpIn(p.patience())
}

// patience is how long a stranger's connection may wait for its next request. One that
// was served just now is not cut before it can know that its time is over.
func (p *prefixedConn) patience() time.Duration {
	p.mu.Lock()
	until := p.until
	p.mu.Unlock()
	left := p.guest.Left()
	if !until.IsZero() {
		left = max(left, time.Until(until))
	}
	return max(min(p.listener.cfg.Limits.Silent, left), 1)
}

// connKey is that of a prefixedConn in the context of net/http's requests.
type connKey struct{}

// Observe makes a server of net/http tell of the connections that it has from a
// Listener, and give up strangers' in time: its own limits are the same for all.
func Observe(s *http.Server) {
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if p := prefixedOf(c); p != nil {
			return context.WithValue(ctx, connKey{}, p)
		}
		return ctx
	}
	s.ConnState = func(c net.Conn, state http.ConnState) {
		p := prefixedOf(c)
		if p == nil {
			return
		}
		switch state {
		case http.StateNew, http.StateActive:
			if !p.guest.Known() {
				p.giveUpIn(max(p.guest.Left(), p.patience()))
			}
		case http.StateIdle:
			p.head.next()
			if !p.guest.Known() {
				p.giveUpIn(p.patience())
			}
		case http.StateHijacked:
			p.head.first = nil // net/http's buffer is not to live as long as the connection
			p.giveUpIn(0)
		case http.StateClosed:
			p.giveUpIn(0)
		}
	}
}

// prefixedOf is what net/http calls a connection, which may be wrapped in TLS; nil for
// one that is of no Listener.
func prefixedOf(c net.Conn) *prefixedConn {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn()
	}
	p, _ := c.(*prefixedConn)
	return p
}
