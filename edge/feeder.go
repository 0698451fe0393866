package edge

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// errFed is given to a reader that asks for more than it was fed.
var errFed = errors.New("the message is shorter than its frames say")

// errUnsound is given for frames that are no message and that gorilla/websocket
// has not said so of.
var errUnsound = errors.New("the frames are no message")

// A feeder is the net.Conn that gorilla/websocket sees of a parked connection: it
// reads what it is given, never waits, and keeps what is written.
type feeder struct {
	from []byte
	said []byte
}

// Read implements net.Conn.
func (f *feeder) Read(p []byte) (int, error) {
	if len(f.from) == 0 {
		return 0, errFed
	}
	n := copy(p, f.from)
	f.from = f.from[n:]
	return n, nil
}

// Write implements net.Conn.
func (f *feeder) Write(p []byte) (int, error) {
	f.said = append(f.said, p...)
	return len(p), nil
}

// Close implements net.Conn; the connection is not its to close.
func (*feeder) Close() error { return nil }

// LocalAddr implements net.Conn.
func (*feeder) LocalAddr() net.Addr { return nil }

// RemoteAddr implements net.Conn.
func (*feeder) RemoteAddr() net.Addr { return nil }

// SetDeadline implements net.Conn.
func (*feeder) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (*feeder) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (*feeder) SetWriteDeadline(time.Time) error { return nil }

// A handshake lets gorilla/websocket make its answer without the connection,
// which the poller will have.
type handshake struct {
	http.ResponseWriter
	take func() error // takes the connection, when gorilla is content with the request
	feed feeder
	rw   *bufio.ReadWriter
}

// handshakeBuffers are what gorilla puts its answer together in.
var handshakeBuffers = sync.Pool{New: func() any {
	return bufio.NewReadWriter(bufio.NewReaderSize(nil, 512), bufio.NewWriterSize(nil, 512))
}}

// Hijack implements http.Hijacker.
func (h *handshake) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if err := h.take(); err != nil {
		return nil, nil, err
	}
	h.rw.Reader.Reset(&h.feed)
	h.rw.Writer.Reset(&h.feed)
	return &h.feed, h.rw, nil
}

// upgrade makes gorilla's connection, which reads and writes through h.feed.
func (h *handshake) upgrade(u *websocket.Upgrader, r *http.Request) (*websocket.Conn, error) {
	h.rw = handshakeBuffers.Get().(*bufio.ReadWriter)
	defer func() {
		handshakeBuffers.Put(h.rw)
		h.rw = nil
	}()
	return u.Upgrade(h, r, nil)
}

// shaker makes connections that nobody reads from.
var shaker = func() *websocket.Upgrader {
	u := upgrader
	u.ReadBufferSize = 0
	return &u
}()

// shake makes the handshake that r asks for and returns the answer. What is wrong
// with the request is told to w. take is called when all is well.
func shake(w http.ResponseWriter, r *http.Request, take func() error) ([]byte, error) {
	h := &handshake{ResponseWriter: w, take: take}
	if _, err := h.upgrade(shaker, r); err != nil {
		return nil, err
	}
	return h.feed.said, nil
}

// A messageReader is a connection of gorilla/websocket that is fed whole messages,
// of one client after the other: between two messages it has no state.
type messageReader struct {
	conn *websocket.Conn
	feed *feeder
}

var messageReaders sync.Pool

// borrowReader returns a reader that nobody else uses. gorilla makes server
// connections by handshakes only.
func borrowReader() (*messageReader, error) {
	if m, ok := messageReaders.Get().(*messageReader); ok {
		return m, nil
	}
	r := &http.Request{Method: http.MethodGet, Header: http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="},
	}}
	h := &handshake{take: func() error { return nil }} // nothing is wrong with the request that could be told
	conn, err := h.upgrade(&upgrader, r)
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(maxMessage)
	return &messageReader{conn, &h.feed}, nil
}

// read feeds frames; with an error the message is the close frame that gorilla
// answers them with, or empty.
func (m *messageReader) read(frames []byte) (kind int, message []byte, err error) {
	*m.feed = feeder{from: frames}
	kind, message, err = m.conn.ReadMessage()
	if err != nil {
		message = m.feed.said
	}
	return kind, message, err
}

// readMessage reads the frames of one whole message of this size.
func readMessage(frames []byte, size int) (kind int, message []byte, err error) {
	m, err := borrowReader()
	if err != nil {
		return 0, nil, err
	}
	kind, message, err = m.read(frames)
	if err == nil && len(message) == size && len(m.feed.from) == 0 { // it has read all, and nothing else
		*m.feed = feeder{}
		messageReaders.Put(m)
	}
	return kind, message, err
}

// refuseMessage returns the close frame for frames that break the protocol, or
// nothing, and what is wrong with them.
func refuseMessage(frames []byte) ([]byte, error) {
	m, err := borrowReader() // which is not used again
	if err != nil {
		return nil, err
	}
	if _, said, err := m.read(frames); err != nil {
		return said, err
	}
	return nil, errUnsound
}
