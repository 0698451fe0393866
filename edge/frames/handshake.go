package frames

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/net/http/httpguts"
)

var errBody = errors.New("a handshake has no body")

// A writeOnlyConn is the net.Conn that gorilla/websocket sees of a connection: there is
// nothing to read, and it keeps what is written.
type writeOnlyConn struct{ wrote []byte }

// Read implements net.Conn.
func (*writeOnlyConn) Read([]byte) (int, error) { return 0, io.EOF }

// Write implements net.Conn.
func (s *writeOnlyConn) Write(p []byte) (int, error) {
	s.wrote = append(s.wrote, p...)
	return len(p), nil
}

// Close implements net.Conn; the connection is not its to close.
func (*writeOnlyConn) Close() error { return nil }

// LocalAddr implements net.Conn.
func (*writeOnlyConn) LocalAddr() net.Addr { return nil }

// RemoteAddr implements net.Conn.
func (*writeOnlyConn) RemoteAddr() net.Addr { return nil }

// SetDeadline implements net.Conn.
func (*writeOnlyConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (*writeOnlyConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (*writeOnlyConn) SetWriteDeadline(time.Time) error { return nil }

// A hijacked lets gorilla/websocket make its answer without the connection, which is
// for others to read and write.
type hijacked struct {
	http.ResponseWriter
	conn writeOnlyConn
	rw   *bufio.ReadWriter
}

// Hijack implements http.Hijacker.
func (h *hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	h.rw.Reader.Reset(&h.conn)
	h.rw.Writer.Reset(&h.conn)
	return &h.conn, h.rw, nil
}

// handshakeBuffers are what gorilla puts its answer together in.
var handshakeBuffers = sync.Pool{New: func() any {
	return bufio.NewReadWriter(bufio.NewReaderSize(nil, 512), bufio.NewWriterSize(nil, 512))
}}

// A Handshake makes the opening handshake (section 4). It is safe for concurrent use.
type Handshake struct {
	upgrader websocket.Upgrader
	refuse   func(w http.ResponseWriter, status int, detail string)
}

// NewHandshake makes a Handshake that speaks some subprotocols. refuse answers a
// request that is no handshake, with this status.
func NewHandshake(protocols []string, refuse func(w http.ResponseWriter, status int, detail string)) *Handshake {
	h := &Handshake{refuse: refuse}
	h.upgrader = websocket.Upgrader{
		WriteBufferPool: &sync.Pool{},
		Subprotocols:    protocols,
		// The origin was judged before, with that of all requests.
		CheckOrigin: func(*http.Request) bool { return true },
		Error: func(w http.ResponseWriter, r *http.Request, status int, _ error) {
			detail := "this is no WebSocket handshake"
			if !httpguts.HeaderValuesContainsToken(r.Header["Sec-Websocket-Version"], "13") { // section 4.4
				w.Header().Set("Sec-WebSocket-Version", "13")
				w.Header().Set("Upgrade", "websocket")
				w.Header().Add("Connection", "Upgrade") // beside a close
				status, detail = http.StatusUpgradeRequired, "the WebSocket version is not 13"
			}
			refuse(w, status, detail)
		},
	}
	return h
}

// Asked reports whether a request asks for a WebSocket. An older one than of HTTP/1.1
// cannot upgrade (RFC 9110, section 7.8).
func Asked(r *http.Request) bool {
	return websocket.IsWebSocketUpgrade(r) && r.ProtoAtLeast(1, 1)
}

// Answer makes the handshake that r asks for and returns the answer, for the caller to
// write. What is wrong with the request is told to w; the connection is never touched.
func (h *Handshake) Answer(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength != 0 { // its body would be taken for frames
		h.upgrader.Error(w, r, http.StatusBadRequest, errBody)
		return nil, errBody
	}
	j := &hijacked{ResponseWriter: w}
	j.rw = handshakeBuffers.Get().(*bufio.ReadWriter)
	defer handshakeBuffers.Put(j.rw)
	if _, err := h.upgrader.Upgrade(j, r, nil); err != nil {
		return nil, err
	}
	return j.conn.wrote, nil
}
