package netpoll

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// acceptPause is how long accepting rests when the system has no means for one
// more connection.
const acceptPause = 50 * time.Millisecond

// Accept takes over all connections that come in until done is closed, and returns
// nil then; l stays open. arrive is called for each with its peer's address and returns its
// client, which has a timeout as by SetTimeout, or nil to have the connection
// closed; it must not block.
// Options of a connection are those of the listening socket, from which it
// inherits them.
func (p *Poller) Accept(l *net.TCPListener, done <-chan struct{}, arrive func(c *Conn, peer netip.AddrPort) (Client, time.Duration)) error {
	f, err := l.File() // another descriptor: one can wait for it in the runtime's poller
	if err != nil {
		return fmt.Errorf("accept connections: %w", err)
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("accept connections: %w", errors.Join(err, f.Close()))
	}
	closed := make(chan error, 1)
	ended := make(chan struct{})
	go func() {
		select {
		case <-done:
		case <-ended:
		}
		closed <- f.Close()
	}()
	err = p.accept(raw, arrive)
	close(ended)
	select {
	case <-done:
		return <-closed
	default:
		return errors.Join(err, <-closed)
	}
}

// accept goes on until it fails, if only because raw was closed.
func (p *Poller) accept(raw syscall.RawConn, arrive func(c *Conn, peer netip.AddrPort) (Client, time.Duration)) error {
	var fd int
	var peer syscall.Sockaddr
	var failed error
	next := func(from uintptr) bool {
		fd, peer, failed = syscall.Accept4(int(from), syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
		return failed != syscall.EAGAIN
	}
	for {
		err := raw.Read(next)
		switch {
		case err != nil:
			return fmt.Errorf("accept connections: %w", err)
		case failed == syscall.EMFILE || failed == syscall.ENFILE || failed == syscall.ENOBUFS || failed == syscall.ENOMEM:
			time.Sleep(acceptPause)
			continue
		case failed != nil: // that one connection has failed, see accept(2)
			continue
		}
		c := p.conn(fd)
		var timeout time.Duration
		if c.client, timeout = arrive(c, address(peer)); c.client == nil {
			_ = syscall.Close(fd)
			continue
		}
		c.limit = time.Now().Add(timeout).UnixNano()
		if err := p.register(c); err != nil {
			return err
		}
		p.watch(c)
		c.enqueue(hurried, queued)
	}
}

// address is a peer's; the zero AddrPort when it has none.
func address(peer syscall.Sockaddr) netip.AddrPort {
	switch a := peer.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *syscall.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	return netip.AddrPort{}
}
