//go:build !linux

package netpoll

import (
	"net"
	"net/netip"
	"time"
)

// Supported says that connections can be taken over on this system.
const Supported = false

// A Poller takes nothing on this system.
type Poller struct{}

// New makes a Poller.
func New(Config) *Poller { return &Poller{} }

// Open does nothing.
func (*Poller) Open() error { return nil }

// Run does nothing.
func (*Poller) Run() error { return nil }

// Close does nothing.
func (*Poller) Close() error { return nil }

// Attach returns ErrNotTCP: the caller keeps the connection.
func (*Poller) Attach(net.Conn, []byte, Client, func()) (*Conn, error) { return nil, ErrNotTCP }

// Accept returns ErrNotTCP.
func (*Poller) Accept(*net.TCPListener, <-chan struct{}, func(*Conn, netip.AddrPort) (Client, time.Duration)) error {
	return ErrNotTCP
}

// Done returns nil.
func (*Poller) Done() <-chan struct{} { return nil }

// A Conn does not exist on this system.
type Conn struct{}

// Wake does nothing.
func (*Conn) Wake(bool) {}

// Resume does nothing.
func (*Conn) Resume() {}

// OnClose does nothing.
func (*Conn) OnClose(func()) {}

// Hurry does nothing.
func (*Conn) Hurry(time.Duration) {}

// SetClient does nothing.
func (*Conn) SetClient(Client, time.Duration) {}

// Release does nothing.
func (*Conn) Release(func(*net.TCPConn, []byte, error)) {}

// SetTimeout does nothing.
func (*Conn) SetTimeout(time.Duration) {}
