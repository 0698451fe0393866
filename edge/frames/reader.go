// Package frames reads what a WebSocket client sends (RFC 6455).
//
// A Reader puts messages together from whatever pieces are received, without ever
// waiting for more, so that one goroutine can read many connections; Next returns what
// is whole. Frames are judged as section 5 wants it of a server; a *Violation says what
// a client broke, and with which code it is to be told. What is written to a client is
// spelt by package wire.
//
// A Handshake is made by gorilla/websocket, on a connection that only keeps what is
// written: the true one is for others to read and write. gorilla is also what
// FuzzFrames compares the Reader with.
package frames

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"unicode/utf8"
)

// Opcodes of RFC 6455, section 5.2.
const (
	Continuation = 0x0
	Text         = 0x1
	Binary       = 0x2
	Close        = 0x8
	Ping         = 0x9
	Pong         = 0xA
)

// Final is the bit of a frame's first byte that ends its message.
const Final = 0x80

// maxControl is the greatest payload of a control frame (section 5.5).
const maxControl = 125

// A Reader puts a client's messages together from what comes in, without ever
// waiting for it, and judges the frames as RFC 6455, section 5, wants it of a
// server. Control frames may stand between those of a message (section 5.4). It
// holds what has come of a message, no more, and what a byte costs does not depend
// on how the client cuts it. It is not safe for concurrent use.
type Reader struct {
	got     []byte // what is no whole frame yet
	message []byte // what has come of an incomplete message
	// Limit bounds the payload of a message in bytes.
	Limit   int32
	spent   int32 // bytes of the message's frames, with their heads
	checked int32 // bytes of the message that are known to be UTF-8
	kind    byte  // the message's opcode; 0: there is none
	cut     bool  // got is the end of a longer slice
}

// Add appends what was received.
func (r *Reader) Add(received []byte) { r.got = append(r.got, received...) }

// How many bytes Read asks for: a connection that waits for a message keeps the
// first; most messages are larger, or not.
const readLeast, readMost = 128, 64 << 10

// Read receives from a connection what is there, in as few calls as a large message allows.
func (r *Reader) Read(from io.Reader) error {
	want := 0
	if h, ok, _ := r.head(); ok {
		want = h.size + h.body - len(r.got)
	}
	r.got = slices.Grow(r.got, min(max(want, readLeast), readMost))
	n, err := from.Read(r.got[len(r.got):cap(r.got)])
	r.got = r.got[:len(r.got)+n]
	return err
}

// Midway reports whether some but not all frames of a message are there.
func (r *Reader) Midway() bool { return r.kind != 0 }

// Empty reports whether nothing is there that waits for more.
func (r *Reader) Empty() bool { return len(r.got) == 0 && !r.Midway() }

// Clear forgets what is there.
func (r *Reader) Clear() { *r = Reader{Limit: r.Limit} }

// A Message is what Next found: a message, or a control frame.
type Message struct {
	// Opcode is that of its first frame.
	Opcode byte
	// Payload is left alone by what is received next.
	Payload []byte
}

// Next returns the next message or control frame; false when nothing is whole. An
// error, which is a *Violation, means that the connection cannot go on: Next must not be
// called again.
func (r *Reader) Next() (m Message, ok bool, err error) {
	for {
		h, ok, err := r.head()
		if err != nil {
			return m, false, err
		}
		end := h.size + h.body
		if !ok || len(r.got) < end {
			r.settle()
			return m, false, nil
		}
		payload := r.got[h.size:end:end]
		unmask(payload, binary.LittleEndian.Uint32(r.got[h.size-4:]))
		r.got, r.cut = r.got[end:], true
		if h.opcode >= Close {
			return Message{h.opcode, payload}, true, nil
		}
		if m, ok, err = r.extend(h, payload); ok || err != nil {
			return m, ok, err
		}
	}
}

// extend adds a data frame to its message and returns that when it is whole.
func (r *Reader) extend(h frameHead, payload []byte) (m Message, ok bool, err error) {
	if !r.Midway() && h.final { // as nearly all are
		if h.opcode == Text && !utf8.Valid(payload) {
			return m, false, errNotUTF8
		}
		return Message{h.opcode, payload}, true, nil
	}
	if !r.Midway() {
		r.kind = h.opcode
	}
	r.message = append(r.message, payload...)
	r.spent += int32(h.size + h.body)
	if r.kind == Text && !r.check(h.final) {
		return m, false, errNotUTF8
	}
	if !h.final {
		return m, false, nil
	}
	m = Message{r.kind, r.message}
	r.message, r.kind, r.spent, r.checked = nil, 0, 0, 0
	return m, true, nil
}

// check reports whether what has come of a text is UTF-8, or the beginning of such
// when it is not whole. Each byte is looked at about once.
func (r *Reader) check(whole bool) bool {
	rest := r.message[r.checked:]
	end := len(rest)
	if !whole {
		for back := 1; back <= min(len(rest), utf8.UTFMax-1); back++ {
			if at := len(rest) - back; utf8.RuneStart(rest[at]) {
				if !utf8.FullRune(rest[at:]) {
					end = at
				}
				break
			}
		}
	}
	r.checked += int32(end)
	return utf8.Valid(rest[:end])
}

// settle is called when more has to come: what is left is little as a rule, and
// must not keep alive what went before. An empty Reader holds no memory.
func (r *Reader) settle() {
	switch {
	case len(r.got) == 0:
		r.got = nil
	case r.cut:
		r.got = bytes.Clone(r.got)
	}
	r.cut = false
}

// unmask undoes what section 5.3 makes clients do, eight bytes at a time.
func unmask(b []byte, mask uint32) {
	wide := uint64(mask)<<32 | uint64(mask)
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^wide)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(mask >> (8 * (i % 4)))
	}
}
