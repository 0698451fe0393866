package edge

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"time"

	"github.com/gorilla/websocket"
)

// Opcodes of RFC 6455, section 5.2.
const (
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xA
)

// errMessage is given to a reader that asks for more than the message it is fed.
var errMessage = errors.New("the message is shorter than its frames say")

// An inbox puts a client's messages together from what comes in, without ever
// waiting for it. It only finds where frames end, and takes out control frames,
// which may stand between those of a message (RFC 6455, section 5.4);
// gorilla/websocket is fed each message as soon as it is whole, or what is there
// when it breaks the protocol. It holds what has come of a message, no more.
type inbox struct {
	conn *websocket.Conn
	feed *feeder

	got     []byte
	scanned int    // bytes of got that are whole data frames of an incomplete message
	payload uint64 // bytes of these without their heads
}

// add appends what was received.
func (b *inbox) add(received []byte) { b.got = append(b.got, received...) }

// A frameHead is what stands before a frame's payload.
type frameHead struct {
	opcode byte
	final  bool
	sound  bool   // masked, without extensions, and no longer than allowed for its kind
	size   int    // of the head
	body   uint64 // length of the payload
}

// parseHead reads the head of the frame that b begins with; false when there is
// not enough of it.
func parseHead(b []byte) (h frameHead, ok bool) {
	if len(b) < 2 {
		return h, false
	}
	h.opcode, h.final = b[0]&0x0f, b[0]&0x80 != 0
	h.size, h.body = 2, uint64(b[1]&0x7f)
	switch h.body {
	case 126:
		if len(b) < 4 {
			return h, false
		}
		h.size, h.body = 4, uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		if len(b) < 10 {
			return h, false
		}
		h.size, h.body = 10, binary.BigEndian.Uint64(b[2:])
	}
	h.size += 4 // the mask
	control := h.opcode >= opClose
	h.sound = b[0]&0x70 == 0 && b[1]&0x80 != 0 && (!control || h.final && h.body <= 125)
	return h, true
}

// A delivery is what next found: a message, or a control frame.
type delivery struct {
	kind    int // of a message, as gorilla/websocket has them
	message []byte
	control byte // opcode of a control frame; 0: it is a message
}

// next returns the next message or control frame; false when nothing is whole.
// An error means that the connection cannot go on; gorilla has said why.
func (b *inbox) next() (d delivery, ok bool, err error) {
	for {
		rest := b.got[b.scanned:]
		h, ok := parseHead(rest)
		if !ok {
			return d, false, nil
		}
		// Of many tiny frames the heads are most.
		if !h.sound || b.payload+h.body > maxMessage || b.scanned > 2*maxMessage {
			_, _, err := b.read(len(b.got)) // which fails
			if err == nil {
				err = errMessage
			}
			return d, false, err
		}
		end := h.size + int(h.body)
		if len(rest) < end {
			return d, false, nil
		}
		if h.opcode >= opClose {
			payload := bytes.Clone(rest[h.size:end])
			for i, mask := 0, rest[h.size-4:h.size]; i < len(payload); i++ {
				payload[i] ^= mask[i%4]
			}
			b.cut(b.scanned, b.scanned+end)
			return delivery{control: h.opcode, message: payload}, true, nil
		}
		b.scanned += end
		b.payload += h.body
		if !h.final {
			continue
		}
		kind, message, err := b.read(b.scanned)
		if err != nil {
			return d, false, err
		}
		return delivery{kind: kind, message: message}, true, nil
	}
}

// read feeds the first n bytes to gorilla as one message and takes them out.
func (b *inbox) read(n int) (int, []byte, error) {
	b.feed.from = b.got[:n]
	kind, message, err := b.conn.ReadMessage()
	b.feed.from = nil
	b.cut(0, n)
	b.scanned, b.payload = 0, 0
	return kind, message, err
}

// cut takes bytes out. An empty inbox holds no memory.
func (b *inbox) cut(from, to int) {
	left := len(b.got) - (to - from)
	if left == 0 {
		b.got = nil
		return
	}
	// What is left is little as a rule; it must not keep a large message alive.
	b.got = append(append(make([]byte, 0, left), b.got[:from]...), b.got[to:]...)
}

// A feeder is the net.Conn that gorilla/websocket sees: it reads what it is
// given, never waits, and what it writes goes to the connection's queue.
type feeder struct {
	from  []byte
	write func([]byte)
}

// Read implements net.Conn.
func (f *feeder) Read(p []byte) (int, error) {
	if len(f.from) == 0 {
		return 0, errMessage
	}
	n := copy(p, f.from)
	f.from = f.from[n:]
	return n, nil
}

// Write implements net.Conn.
func (f *feeder) Write(p []byte) (int, error) {
	f.write(bytes.Clone(p))
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
