package crowd

import (
	"encoding/binary"
	"errors"
)

var errMasked = errors.New("the server masks its WebSocket frames")

// Opcodes of WebSocket frames (RFC 6455, section 5.2).
const (
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xA
)

// frames takes a server's WebSocket frames (RFC 6455, section 5.2) off a stream
// that is cut anywhere. The zero value is ready.
type frames struct {
	left uint64 // of the payload
	head [10]byte
	have uint8 // of head; 0 within a payload, and between frames
	op   byte
}

// next returns the next piece of a payload in b, which may be empty, the opcode
// of its frame, whether that is the frame's end, and what follows. It is to be
// called until rest is empty; ok is false when b has ended in a frame's head.
func (f *frames) next(b []byte) (p piece, rest []byte, err error) {
	for f.left == 0 {
		if len(b) == 0 {
			return piece{}, nil, nil
		}
		f.head[f.have] = b[0]
		f.have++
		b = b[1:]
		size := uint64(0)
		switch {
		case f.have < 2:
			continue
		case f.head[1]&0x80 != 0:
			return piece{}, nil, errMasked
		case f.head[1] < 126:
			size = uint64(f.head[1])
		case f.head[1] == 126 && f.have == 4:
			size = uint64(binary.BigEndian.Uint16(f.head[2:]))
		case f.head[1] == 127 && f.have == 10:
			size = binary.BigEndian.Uint64(f.head[2:])
		default:
			continue
		}
		f.have, f.op, f.left = 0, f.head[0]&0xF, size
		if size == 0 {
			return piece{op: f.op, end: true, ok: true}, b, nil
		}
	}
	n := min(f.left, uint64(len(b)))
	f.left -= n
	return piece{op: f.op, data: b[:n], end: f.left == 0, ok: n > 0}, b[n:], nil
}

// A piece is a part of a frame's payload.
type piece struct {
	data []byte
	op   byte
	end  bool
	ok   bool
}

// pong is the answer to a ping (RFC 6455, section 5.5.3), masked with zeros: a
// mask protects proxies, of which there are none.
func pong(payload []byte) []byte {
	return append([]byte{0x80 | opPong, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
}
