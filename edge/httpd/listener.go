// Package httpd is an HTTP/1.1 listener that stands before net/http's server.
//
// Its connections wait in a poller (package netpoll) for their next request. A plain GET
// request for one path is read and answered here, on one of a few goroutines, and its
// connection may be detached for good: one that stays then costs no goroutine, no buffers
// and no descriptor of net/http's. All other connections are handed on to net/http,
// together with what they have sent, and so is every request that could be understood in
// two ways: the reader (request.go) takes only what net/http would take and understand
// alike, which FuzzPlainRequest checks against it.
//
// It works with any http.Handler. What a handler wants beyond that of a response, which
// may be one of ours or of net/http's, it asks Detach, GuestOf, ReceivedAt and Of.
//
// Without a Poller, because the system has none, TLS is spoken or tuning.own_http is
// false, all connections are net/http's, under the same limits for strangers.
package httpd

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"weft/edge/netpoll"
)

// Config is what a Listener needs to know.
type Config struct {
	// Poller holds the connections; nil: net/http has them all.
	Poller *netpoll.Poller
	// Handler serves the requests that are read here.
	Handler http.Handler
	// Path is that of the GET requests which are read here.
	Path string
	// Workers is how many goroutines that serve requests may wait for the next one.
	Workers int
	// Limits bound how long connections of strangers, and the last ones, may take.
	Limits Limits

	// Arrive is called for each accepted connection, and reports whether there is room
	// for it.
	Arrive func(peer netip.Addr) (g Guest, ok bool)
	// Draining reports whether connections are to end with the current request.
	Draining func() bool
	// Panicked is told of a panic while a request was served.
	Panicked func(p any, stack []byte)
}

// Limits are time limits of connections, beside those that all have (server.go).
type Limits struct {
	// Silent is how long the connection of a guest who is not known may say nothing.
	Silent time.Duration
	// Read is how long a guest whose time is up has to read the last response.
	Read time.Duration
	// Drain is how long the last response may take while the node drains.
	Drain time.Duration
}

// A Guest is what is known of whose a connection is. Its methods may be called
// concurrently.
type Guest interface {
	// Known reports whether the connection may stay.
	Known() bool
	// Left is how long it may stay when its guest is not known.
	Left() time.Duration
	// Closed is to be called when the connection is closed, at least once; nil when
	// nobody wants to know.
	Closed() func()
}

// A Listener takes the connections of a socket. It is the net.Listener of those for
// net/http.
type Listener struct {
	cfg     Config
	socket  *net.TCPListener
	others  chan net.Conn
	done    chan struct{}
	workers *workers
	once    sync.Once
}

// NewListener makes the Listener of a socket. Run must be called.
func NewListener(socket *net.TCPListener, cfg Config) *Listener {
	done := make(chan struct{})
	return &Listener{cfg: cfg, socket: socket, others: make(chan net.Conn), done: done, workers: newWorkers(cfg.Workers, done)}
}

// Run takes connections until the listener is closed.
func (l *Listener) Run() error {
	if l.cfg.Poller == nil {
		<-l.done // Accept takes them
		return nil
	}
	return l.cfg.Poller.Accept(l.socket, l.done, func(c *netpoll.Conn, peer netip.AddrPort) (netpoll.Client, time.Duration) {
		g, ok := l.cfg.Arrive(peer.Addr())
		if !ok {
			return nil, 0
		}
		c.OnClose(g.Closed())
		return &conn{listener: l, poll: c, peer: peer, guest: g}, l.cfg.Limits.idle(g)
	})
}

// idle is how long a guest's connection may wait for a request.
func (l *Limits) idle(g Guest) time.Duration {
	if g.Known() {
		return idleTime
	}
	return min(l.Silent, max(g.Left(), l.Read))
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	if l.cfg.Poller == nil {
		return l.accept()
	}
	select {
	case c := <-l.others:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// accept takes the next connection that there is room for.
func (l *Listener) accept() (net.Conn, error) {
	for {
		tcp, err := l.socket.AcceptTCP()
		if err != nil {
			return nil, err
		}
		peer, _ := tcp.RemoteAddr().(*net.TCPAddr) // nil: it has left already, on some systems
		g, ok := l.cfg.Arrive(peer.AddrPort().Addr())
		if !ok {
			_ = tcp.Close()
			continue
		}
		return &prefixedConn{TCPConn: tcp, listener: l, guest: g}, nil
	}
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return l.socket.Addr() }

// Close implements net.Listener. It may be called again.
func (l *Listener) Close() (err error) {
	l.once.Do(func() {
		close(l.done)
		err = l.socket.Close()
	})
	return err
}

// handOn hands a connection to net/http, with what was read from it.
func (l *Listener) handOn(c *prefixedConn) {
	select {
	case l.others <- c:
	case <-l.done:
		_ = c.Close()
	}
}
