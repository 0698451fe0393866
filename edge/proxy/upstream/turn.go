package upstream

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptrace"
	"sync"
)

// errUnasked ends a connection on which a server speaks without having been asked.
var errUnasked = errors.New("the server sent more than its answer")

// A turnConn is a connection of HTTP/1.1 on which the server speaks only in its turn. What
// follows the body of an answer would be read as the answer to the next request, that of
// somebody else (RFC 9112, 9.3 and 11.2); net/http looks for it, but after it has offered the
// connection to that request. So a request that gets a used connection waits until all that
// came is read, and what then comes before it is written ends the connection.
type turnConn struct {
	net.Conn
	shared bool // HTTP/2, which knows what an answer belongs to; set before its first request

	mu      sync.Mutex
	changed sync.Cond
	reading bool // all that came is read
	closed  bool
	taken   bool // a request has the connection and is not written yet
}

func newTurnConn(conn net.Conn) *turnConn {
	c := &turnConn{Conn: conn}
	c.changed.L = &c.mu
	return c
}

// Read implements net.Conn.
func (c *turnConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	c.reading = true
	c.changed.Broadcast()
	c.mu.Unlock()

	n, err := c.Conn.Read(p)

	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = false
	if n > 0 && c.taken {
		return 0, errUnasked
	}
	return n, err
}

// Write implements net.Conn.
func (c *turnConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.taken = false
	c.mu.Unlock()
	return c.Conn.Write(p)
}

// Close implements net.Conn.
func (c *turnConn) Close() error {
	c.mu.Lock()
	c.closed = true
	c.changed.Broadcast()
	c.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite ends what the node says, which a WebSocket wants.
func (c *turnConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// take waits until all that came is read, or the connection is closed, which the transport
// notices before it writes.
func (c *turnConn) take() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.reading && !c.closed {
		c.changed.Wait()
	}
	c.taken = true
}

// inTurn is called when a request has got a connection.
func inTurn(got httptrace.GotConnInfo) {
	if !got.Reused {
		return
	}
	conn := got.Conn
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if c, ok := conn.(*turnConn); ok && !c.shared {
		c.take()
	}
}
