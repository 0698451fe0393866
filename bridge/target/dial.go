package target

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// A dialer makes connections that notice when their broker has gone while nothing is on its
// way. A request that is written over such a one would be lost, and nobody could say whether
// it was read.
type dialer struct{ net.Dialer }

// Dial implements golang.org/x/net/proxy.Dialer.
func (d dialer) Dial(network, address string) (net.Conn, error) {
	c, err := d.Dialer.Dial(network, address)
	if err != nil {
		return nil, err
	}
	reader, writer := net.Pipe()
	w := &watchedConn{Conn: c, reader: reader}
	go func() {
		_, _ = io.Copy(writer, c) // until the broker, or we, have closed it
		w.ended.Store(true)
		_ = writer.Close()
	}()
	return w, nil
}

// errEnded is the error of a write to a broker that has closed the connection before.
var errEnded = errors.New("the broker has closed the connection")

// A watchedConn is always being read.
type watchedConn struct {
	net.Conn
	reader net.Conn // what was read
	ended  atomic.Bool
}

// Read implements net.Conn.
func (w *watchedConn) Read(p []byte) (int, error) { return w.reader.Read(p) }

// Write implements net.Conn.
func (w *watchedConn) Write(p []byte) (int, error) {
	if w.ended.Load() {
		return 0, errEnded
	}
	return w.Conn.Write(p)
}

// SetReadDeadline implements net.Conn.
func (w *watchedConn) SetReadDeadline(t time.Time) error { return w.reader.SetReadDeadline(t) }

// SetDeadline implements net.Conn.
func (w *watchedConn) SetDeadline(t time.Time) error {
	return errors.Join(w.reader.SetReadDeadline(t), w.SetWriteDeadline(t))
}

// Close implements net.Conn.
func (w *watchedConn) Close() error {
	return errors.Join(w.Conn.Close(), w.reader.Close())
}
