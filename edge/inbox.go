package edge

import (
	"bytes"
	"encoding/binary"
)

// Opcodes of RFC 6455, section 5.2.
const (
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xA
)

// An inbox puts a client's messages together from what comes in, without ever
// waiting for it. It only finds where frames end, and takes out control frames,
// which may stand between those of a message (RFC 6455, section 5.4);
// gorilla/websocket is fed each message as soon as it is whole, or what is there
// when it breaks the protocol. It holds what has come of a message, no more, and
// what a byte costs does not depend on how the client cuts it.
type inbox struct {
	got     []byte // what is no whole frame yet
	cut     bool   // got is the end of a longer slice
	parts   []byte // whole data frames of an incomplete message
	payload int    // bytes of these without their heads
}

// add appends what was received.
func (b *inbox) add(received []byte) { b.got = append(b.got, received...) }

// midway reports whether some but not all frames of a message are there.
func (b *inbox) midway() bool { return len(b.parts) > 0 }

// empty reports whether nothing is there that waits for more.
func (b *inbox) empty() bool { return len(b.got) == 0 && !b.midway() }

// clear forgets what is there.
func (b *inbox) clear() { b.got, b.cut, b.parts, b.payload = nil, false, nil, 0 }

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
// An error means that the connection cannot go on; then message is the close frame
// that says so to the client, or empty, and next must not be called
// again; gorilla has said why.
func (b *inbox) next() (d delivery, ok bool, err error) {
	for {
		h, ok := parseHead(b.got)
		if !ok {
			b.settle()
			return d, false, nil
		}
		// Of many tiny frames the heads are most.
		if !h.sound || h.body > uint64(maxMessage-b.payload) || len(b.parts) > 2*maxMessage {
			d.message, err = refuseMessage(append(b.parts, b.got...))
			return d, false, err
		}
		end := h.size + int(h.body)
		if len(b.got) < end {
			b.settle()
			return d, false, nil
		}
		frame := b.got[:end]
		b.got, b.cut = b.got[end:], true
		switch {
		case h.opcode >= opClose:
			payload := bytes.Clone(frame[h.size:])
			for i, mask := 0, frame[h.size-4:h.size]; i < len(payload); i++ {
				payload[i] ^= mask[i%4]
			}
			return delivery{control: h.opcode, message: payload}, true, nil
		case !h.final:
			b.parts = append(b.parts, frame...)
			b.payload += int(h.body)
			continue
		}
		size := b.payload + int(h.body)
		if b.midway() {
			frame = append(b.parts, frame...)
			b.parts, b.payload = nil, 0
		}
		d.kind, d.message, err = readMessage(frame, size)
		return d, err == nil, err
	}
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
