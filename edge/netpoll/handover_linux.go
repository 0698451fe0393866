package netpoll

import (
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// Done is closed when the poller has ended: nothing is called any more.
func (p *Poller) Done() <-chan struct{} { return p.over }

// A turn is what a connection changes hands with: to another client, or out of
// the poller.
type turn struct {
	to       Client
	patience time.Duration
	release  func(conn *net.TCPConn, rest []byte, err error)
}

// Become gives the connection to another client, which first receives what the
// one before has left over, and with which the poller has patience (0: forever).
// The one before hears nothing more. If the connection is
// closed already, the new one is told io.EOF. When it is called again before the
// poller has come to it, only the last client counts: the others hear nothing at
// all. Release must not be called before the new client was.
func (c *Conn) Become(next Client, patience time.Duration) {
	c.turn.Store(&turn{to: next, patience: patience})
	c.call(turned)
}

// Release takes the connection out of the poller: f gets it, and what its client
// has left over, or an error when it is closed already. The client hears nothing
// more. f must not block.
func (c *Conn) Release(f func(conn *net.TCPConn, rest []byte, err error)) {
	c.turn.Store(&turn{release: f})
	c.call(turned)
}

// Patience gives the connection up after d unless another client has it by then;
// 0 waits forever. It is for a client that is being called.
func (c *Conn) Patience(d time.Duration) {
	if d == 0 {
		c.limit = 0
		return
	}
	c.limit, c.wrote = time.Now().Add(d).UnixNano(), 0
	c.watch()
}

// change makes the connection change hands.
func (c *Conn) change() {
	t := c.turn.Swap(nil)
	if t == nil {
		return // one that came later has taken its place already
	}
	var rest []byte
	if l, ok := c.client.(Leaver); ok && !c.gone {
		rest = l.Rest()
	}
	switch {
	case t.release != nil && c.gone:
		t.release(nil, nil, io.EOF)
	case t.release != nil:
		conn, err := c.out()
		t.release(conn, rest, err)
	case c.gone:
		t.to.Closed(io.EOF)
	default:
		c.client, c.paused = t.to, false
		c.Patience(t.patience)
		c.early = rest
		c.unread = c.unread || len(rest) > 0
	}
}

// out makes a TCPConn of the connection, which the poller forgets.
func (c *Conn) out() (*net.TCPConn, error) {
	c.gone, c.client = true, nil
	c.worker.poller.forget(c)
	_ = c.worker.poller.control(c, syscall.EPOLL_CTL_DEL, 0)
	f := os.NewFile(uintptr(c.fd), "tcp")
	conn, err := net.FileConn(f) // which duplicates the descriptor
	_ = f.Close()
	if err != nil {
		c.forgotten()
		return nil, err
	}
	c.closed = nil // it is open, somewhere else
	return conn.(*net.TCPConn), nil
}
