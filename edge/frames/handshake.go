package edge

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

var errBody = errors.New("a handshake has no body")

// A scribe is the net.Conn that gorilla/websocket sees of a connection: there is
// nothing to read, and it keeps what is written.
type scribe struct{ said []byte }

// Read implements net.Conn.
func (*scribe) Read([]byte) (int, error) { return 0, io.EOF }

// Write implements net.Conn.
func (s *scribe) Write(p []byte) (int, error) {
	s.said = append(s.said, p...)
	return len(p), nil
}

// Close implements net.Conn; the connection is not its to close.
func (*scribe) Close() error { return nil }

// LocalAddr implements net.Conn.
func (*scribe) LocalAddr() net.Addr { return nil }

// RemoteAddr implements net.Conn.
func (*scribe) RemoteAddr() net.Addr { return nil }

// SetDeadline implements net.Conn.
func (*scribe) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (*scribe) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (*scribe) SetWriteDeadline(time.Time) error { return nil }

// A handshake lets gorilla/websocket make its answer without the connection, which
// is for others to read and write.
type handshake struct {
	http.ResponseWriter
	conn scribe
	rw   *bufio.ReadWriter
}

// handshakeBuffers are what gorilla puts its answer together in.
var handshakeBuffers = sync.Pool{New: func() any {
	return bufio.NewReadWriter(bufio.NewReaderSize(nil, 512), bufio.NewWriterSize(nil, 512))
}}

// Hijack implements http.Hijacker.
func (h *handshake) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	h.rw.Reader.Reset(&h.conn)
	h.rw.Writer.Reset(&h.conn)
	return &h.conn, h.rw, nil
}

// shake makes the handshake that r asks for and returns the answer. What is wrong
// with the request is told to w.
func shake(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength != 0 { // its body would be taken for frames
		upgrader.Error(w, r, http.StatusBadRequest, errBody)
		return nil, errBody
	}
	h := &handshake{ResponseWriter: w}
	h.rw = handshakeBuffers.Get().(*bufio.ReadWriter)
	defer handshakeBuffers.Put(h.rw)
	if _, err := upgrader.Upgrade(h, r, nil); err != nil {
		return nil, err
	}
	return h.conn.said, nil
}
