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

// A handover is what a connection gets another client by, or leaves the poller.
type handover struct {
	to      Client
	timeout time.Duration
	release func(conn *net.TCPConn, rest []byte, err error)
}

// SetClient gives the connection to another client, which first receives what the
// one before has left over, and which has a timeout as by SetTimeout.
// The one before hears nothing more. If the connection is
// closed already, the new one is told io.EOF. When it is called again before the
// poller has come to it, only the last client counts: the others hear nothing at
// all. Release must not be called before the new client was.
func (c *Conn) SetClient(next Client, timeout time.Duration) {
	c.handover.Store(&handover{to: next, timeout: timeout})
	c.enqueue(handed, queued)
}

// Release takes the connection out of the poller: f gets it, and what its client
// has left over, or an error when it is closed already. The client hears nothing
// more. f must not block.
func (c *Conn) Release(f func(conn *net.TCPConn, rest []byte, err error)) {
	c.handover.Store(&handover{release: f})
	c.enqueue(handed, queued)
}

// SetTimeout gives the connection up after d unless another client has it by then;
// 0 waits forever. It is for a client that is being called.
func (c *Conn) SetTimeout(d time.Duration) {
	if d == 0 {
		c.limit = 0
		return
	}
	c.limit, c.wrote = time.Now().Add(d).UnixNano(), 0
	c.limited()
}

// handOver gives the connection to its new client, or releases it.
func (c *Conn) handOver() {
	h := c.handover.Swap(nil)
	if h == nil {
		return // one that came later has taken its place already
	}
	var rest []byte
	if l, ok := c.client.(Leaver); ok && !c.gone {
		rest = l.Rest()
	}
	switch {
	case h.release != nil && c.gone:
		h.release(nil, nil, io.EOF)
	case h.release != nil:
		conn, err := c.outOfPoller()
		h.release(conn, rest, err)
	case c.gone:
		h.to.Closed(io.EOF)
	default:
		c.client, c.paused = h.to, false
		c.SetTimeout(h.timeout)
		c.early = rest
		c.unread = c.unread || len(rest) > 0
	}
}

// outOfPoller makes a TCPConn of the connection, which the poller forgets.
func (c *Conn) outOfPoller() (*net.TCPConn, error) {
	c.gone, c.client = true, nil
	c.worker.poller.unregister(c)
	_ = c.worker.poller.control(c, syscall.EPOLL_CTL_DEL, 0)
	f := os.NewFile(uintptr(c.fd), "tcp")
	conn, err := net.FileConn(f) // which duplicates the descriptor
	_ = f.Close()
	if err != nil {
		c.tellClosed()
		return nil, err
	}
	c.closed = nil // it is open, somewhere else
	return conn.(*net.TCPConn), nil
}
