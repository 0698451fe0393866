package edge

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"weft/edge/wire"
)

// A breach is how a client breaks the protocol, and what it is told then (RFC 6455,
// section 7.4.1).
type breach struct {
	code   int
	reason string
}

// Error implements error.
func (b *breach) Error() string { return b.reason }

// The breaches.
var (
	errUnmasked   = &breach{websocket.CloseProtocolError, "the frame is not masked"}
	errReserved   = &breach{websocket.CloseProtocolError, "a reserved bit is set"}
	errOpcode     = &breach{websocket.CloseProtocolError, "the opcode is unknown"}
	errControl    = &breach{websocket.CloseProtocolError, "a control frame is longer than 125 bytes or not whole"}
	errNoMessage  = &breach{websocket.CloseProtocolError, "there is no message to continue"}
	errWithin     = &breach{websocket.CloseProtocolError, "a message begins within another one"}
	errClose      = &breach{websocket.CloseProtocolError, "the close frame is not valid"}
	errNotUTF8    = &breach{websocket.CloseInvalidFramePayloadData, "the text is not UTF-8"}
	errReasonUTF8 = &breach{websocket.CloseInvalidFramePayloadData, "the reason is not UTF-8"}
	errTooBig     = &breach{websocket.CloseMessageTooBig, "the message is too big"}
)

// A frameHead is what stands before a frame's payload (section 5.2).
type frameHead struct {
	opcode byte
	final  bool
	size   int // of the head, with the mask
	body   int // length of the payload
}

// head reads the head of the next frame; false when there is not enough of it. What
// is wrong is told as soon as it shows. A length may take more bytes than it needs,
// but for that of a control frame.
func (b *inbox) head() (h frameHead, ok bool, err error) {
	if len(b.got) < 2 {
		return h, false, nil
	}
	first, second := b.got[0], b.got[1]
	h.opcode, h.final = first&0x0f, first&final != 0
	if err := b.judge(h, first, second); err != nil {
		return h, false, err
	}
	length := uint64(second & 0x7f)
	h.size = 2
	switch length {
	case 126:
		if len(b.got) < 4 {
			return h, false, nil
		}
		h.size, length = 4, uint64(binary.BigEndian.Uint16(b.got[2:]))
	case 127:
		if len(b.got) < 10 {
			return h, false, nil
		}
		h.size, length = 10, binary.BigEndian.Uint64(b.got[2:])
	}
	h.size += 4
	// Of many tiny frames the heads are most.
	if h.opcode < opClose && (length > uint64(maxMessage-len(b.message)) || b.spent > 2*maxMessage) {
		return h, false, errTooBig
	}
	h.body = int(length)
	return h, len(b.got) >= h.size, nil
}

// judge says what the first two bytes of a frame break.
func (b *inbox) judge(h frameHead, first, second byte) error {
	switch {
	case first&0x70 != 0:
		return errReserved
	case h.opcode > opBinary && h.opcode < opClose || h.opcode > opPong:
		return errOpcode
	case second&0x80 == 0:
		return errUnmasked
	case h.opcode >= opClose:
		if !h.final || second&0x7f > maxControl {
			return errControl
		}
	case h.opcode == opContinuation:
		if !b.midway() {
			return errNoMessage
		}
	case b.midway():
		return errWithin
	}
	return nil
}

// closeAnswer is the close frame that answers one of a client: with its code, if it
// has one (section 5.5.1).
func closeAnswer(payload []byte) ([]byte, error) {
	if len(payload) == 0 {
		return wire.Close(websocket.CloseNoStatusReceived, ""), nil
	}
	if len(payload) == 1 {
		return nil, errClose
	}
	code := int(binary.BigEndian.Uint16(payload))
	if !mayClose(code) {
		return nil, errClose
	}
	if !utf8.Valid(payload[2:]) {
		return nil, errReasonUTF8
	}
	return wire.Close(code, ""), nil
}

// mayClose reports whether a close frame may have this code: those of section 7.4.1
// and of IANA's registry, and what section 7.4.2 leaves to libraries and
// applications.
func mayClose(code int) bool {
	switch {
	case code >= 3000:
		return code < 5000
	case code == 1004, code == websocket.CloseNoStatusReceived, code == websocket.CloseAbnormalClosure:
		return false
	}
	return code >= websocket.CloseNormalClosure && code < websocket.CloseTLSHandshake
}
