package edge

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"unicode/utf8"
)

// Opcodes of RFC 6455, section 5.2, and the bit of a frame that ends its message.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA

	final = 0x80
)

// maxControl is the greatest payload of a control frame (section 5.5).
const maxControl = 125

// An inbox puts a client's messages together from what comes in, without ever
// waiting for it, and judges the frames as RFC 6455, section 5, wants it of a
// server. Control frames may stand between those of a message (section 5.4). It
// holds what has come of a message, no more, and what a byte costs does not depend
// on how the client cuts it.
type inbox struct {
	got     []byte // what is no whole frame yet
	message []byte // what has come of an incomplete message
	spent   int32  // bytes of its frames, with their heads
	checked int32  // bytes of it that are known to be UTF-8
	kind    byte   // its opcode; 0: there is none
	cut     bool   // got is the end of a longer slice
}

// add appends what was received.
func (b *inbox) add(received []byte) { b.got = append(b.got, received...) }

// How many bytes read asks for: a connection that waits for a message keeps the
// first; most messages are larger, or not.
const readLeast, readMost = 128, 64 << 10

// read receives from r what is there, in as few calls as a large message allows.
func (b *inbox) read(r io.Reader) error {
	want := 0
	if h, ok, _ := b.head(); ok {
		want = h.size + h.body - len(b.got)
	}
	b.got = slices.Grow(b.got, min(max(want, readLeast), readMost))
	n, err := r.Read(b.got[len(b.got):cap(b.got)])
	b.got = b.got[:len(b.got)+n]
	return err
}

// midway reports whether some but not all frames of a message are there.
func (b *inbox) midway() bool { return b.kind != 0 }

// empty reports whether nothing is there that waits for more.
func (b *inbox) empty() bool { return len(b.got) == 0 && !b.midway() }

// clear forgets what is there.
func (b *inbox) clear() { *b = inbox{} }

// A delivery is what next found: a message, whose opcode is that of its first
// frame, or a control frame.
type delivery struct {
	opcode  byte
	payload []byte // what is received next leaves it alone
}

// next returns the next message or control frame; false when nothing is whole. An
// error, which is a breach, means that the connection cannot go on: next must not be
// called again.
func (b *inbox) next() (d delivery, ok bool, err error) {
	for {
		h, ok, err := b.head()
		if err != nil {
			return d, false, err
		}
		end := h.size + h.body
		if !ok || len(b.got) < end {
			b.settle()
			return d, false, nil
		}
		payload := b.got[h.size:end:end]
		unmask(payload, binary.LittleEndian.Uint32(b.got[h.size-4:]))
		b.got, b.cut = b.got[end:], true
		if h.opcode >= opClose {
			return delivery{h.opcode, payload}, true, nil
		}
		if d, ok, err = b.take(h, payload); ok || err != nil {
			return d, ok, err
		}
	}
}

// take adds a data frame to its message and returns that when it is whole.
func (b *inbox) take(h frameHead, payload []byte) (d delivery, ok bool, err error) {
	if !b.midway() && h.final { // as nearly all are
		if h.opcode == opText && !utf8.Valid(payload) {
			return d, false, errNotUTF8
		}
		return delivery{h.opcode, payload}, true, nil
	}
	if !b.midway() {
		b.kind = h.opcode
	}
	b.message = append(b.message, payload...)
	b.spent += int32(h.size + h.body)
	if b.kind == opText && !b.check(h.final) {
		return d, false, errNotUTF8
	}
	if !h.final {
		return d, false, nil
	}
	d = delivery{b.kind, b.message}
	b.message, b.kind, b.spent, b.checked = nil, 0, 0, 0
	return d, true, nil
}

// check reports whether what has come of a text is UTF-8, or the beginning of such
// when it is not whole. Each byte is looked at about once.
func (b *inbox) check(whole bool) bool {
	rest := b.message[b.checked:]
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
	b.checked += int32(end)
	return utf8.Valid(rest[:end])
}

// settle is called when more has to come: what is left is little as a rule, and
// must not keep alive what went before. An empty inbox holds no memory.
func (b *inbox) settle() {
	switch {
	case len(b.got) == 0:
		b.got = nil
	case b.cut:
		b.got = bytes.Clone(b.got)
	}
	b.cut = false
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
