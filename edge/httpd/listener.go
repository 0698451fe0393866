package edge

import (
	"bytes"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"weft/edge/netpoll"
)

// A front stands before net/http on the public listener. Connections wait in the
// poller for their first request. One for a stream of events is served from
// there, so that a connection that stays never has a goroutine, buffers and a
// descriptor of its own in net/http; all others are handed on, together with what
// they have sent. It is the net.Listener of these.
type front struct {
	edge    *Edge
	socket  *net.TCPListener
	handler http.Handler
	others  chan net.Conn
	done    chan struct{}
	crew    *crew
	once    sync.Once
}

// newFront returns nil when the poller cannot take connections of socket.
func newFront(e *Edge, socket net.Listener, h http.Handler) *front {
	tcp, ok := socket.(*net.TCPListener)
	if !ok || e.poller == nil {
		return nil
	}
	done := make(chan struct{})
	return &front{edge: e, socket: tcp, handler: h, others: make(chan net.Conn), done: done, crew: newCrew(done)}
}

// run takes connections until the front is closed.
func (f *front) run() error {
	return f.edge.poller.Accept(f.socket, f.done, func(c *netpoll.Conn, peer netip.AddrPort) (netpoll.Client, time.Duration) {
		in, ok := f.edge.gate.arrive(peer.Addr())
		if !ok {
			return nil, 0
		}
		if in.peer != nil {
			c.OnClose(in.peer.Close)
		}
		return &arrival{front: f, conn: c, peer: peer, guest: in}, in.patience()
	})
}

// Accept implements net.Listener.
func (f *front) Accept() (net.Conn, error) {
	select {
	case c := <-f.others:
		return c, nil
	case <-f.done:
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener.
func (f *front) Addr() net.Addr { return f.socket.Addr() }

// Close implements net.Listener. It may be called again.
func (f *front) Close() (err error) {
	f.once.Do(func() {
		close(f.done)
		err = f.socket.Close()
	})
	return err
}

// hand hands a connection to net/http, with what was read from it.
func (f *front) hand(conn *begun) {
	select {
	case f.others <- conn:
	case <-f.done:
		_ = conn.Close()
	}
}

// An arrival is a connection whose next request has not been answered. It is the
// poller's client until then; what it holds is bounded.
type arrival struct {
	spill // received and not read yet
	front *front
	conn  *netpoll.Conn
	peer  netip.AddrPort
	guest *guest
	asked bool      // the head has been read
	read  time.Time // when
}

// anew makes the connection wait for its next request.
func (a *arrival) anew() {
	a.conn.Become(&arrival{front: a.front, conn: a.conn, peer: a.peer, guest: a.guest}, a.guest.patience())
}

// What a request for events begins with; the next byte ends the path.
var eventsLine = []byte("GET " + pathEvents)

// Receive implements netpoll.Client.
func (a *arrival) Receive(b []byte) netpoll.Verdict {
	if a.asked {
		return a.spill.Receive(b)
	}
	seen := len(a.got)
	if seen == 0 {
		a.conn.Patience(headerTime)
	}
	all := b // which is the poller's
	if seen > 0 {
		a.got = append(a.got, b...)
		all = a.got
	}
	n := min(len(all), len(eventsLine))
	end := headEnd(all, max(0, seen-2))
	switch {
	case !bytes.Equal(all[:n], eventsLine[:n]) || len(all) > n && all[n] != ' ' && all[n] != '?',
		end > maxHead, end < 0 && len(all) > maxHead: // which net/http says
		a.got = append(a.got[:0], all...)
		a.leave("")
		return netpoll.Pause
	case end < 0:
		a.got = append(a.got[:0], all...)
		return netpoll.Go
	}
	a.asked, a.read = true, time.Now()
	a.conn.Patience(0)
	head := string(all[:end])
	a.got = bytes.Clone(all[end:])
	a.front.crew.run(func() { a.serve(head) })
	return netpoll.Go
}

// headEnd returns where a request's head ends: behind an empty line (RFC 9112,
// section 2.2); -1 when it does not. It looks from a position on.
func headEnd(b []byte, from int) int {
	for {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return -1
		}
		from += i + 1
		switch rest := b[from:]; {
		case len(rest) > 0 && rest[0] == '\n':
			return from + 1
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return from + 2
		}
	}
}

// leave hands the connection to net/http: the head that was taken out of what it
// sent, and the rest.
func (a *arrival) leave(head string) {
	a.asked = true // what comes meanwhile is kept
	a.conn.Release(func(conn *net.TCPConn, rest []byte, err error) {
		if err == nil {
			go a.front.hand(&begun{TCPConn: conn, read: append([]byte(head), rest...), guest: a.guest})
		}
	})
}

// Take implements netpoll.Client. What is said is said by the next client.
func (*arrival) Take() ([][]byte, bool) { return nil, false }

// Wrote implements netpoll.Client.
func (*arrival) Wrote(int) {}

// Closed implements netpoll.Client.
func (*arrival) Closed(error) {}

// A begun connection is one for net/http, from which something may have been read.
type begun struct {
	*net.TCPConn
	read  []byte
	guest *guest

	mu     sync.Mutex
	timer  *time.Timer // gives a stranger's up
	closed bool
}

// giveUpIn closes the connection after d unless it has shown by then whose it is; 0
// is never. A later call counts.
func (b *begun) giveUpIn(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case d == 0 || b.closed || b.guest.known.Load():
		if b.timer != nil {
			b.timer.Stop()
		}
	case b.timer == nil:
		b.timer = time.AfterFunc(d, func() {
			if !b.guest.known.Load() {
				_ = b.Close()
			}
		})
	default:
		b.timer.Reset(d)
	}
}

// Close implements net.Conn.
func (b *begun) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.giveUpIn(0)
	b.guest.peer.Close()
	return b.TCPConn.Close()
}

// Read implements net.Conn.
func (b *begun) Read(p []byte) (int, error) {
	if len(b.read) == 0 {
		return b.TCPConn.Read(p)
	}
	n := copy(p, b.read)
	if b.read = b.read[n:]; len(b.read) == 0 {
		b.read = nil
	}
	return n, nil
}
