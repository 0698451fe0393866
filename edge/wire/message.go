package wire

import (
	"encoding/binary"
	"unicode/utf8"

	"weft/jetstream/feed"
)

// First bytes of WebSocket frames: FIN and the opcode (RFC 6455, section 5.2).
const (
	opText   = 0x80 | 0x1
	opBinary = 0x80 | 0x2
	opClose  = 0x80 | 0x8
	opPing   = 0x80 | 0x9
	opPong   = 0x80 | 0xA
)

// maxControl is the greatest payload of a WebSocket control frame.
const maxControl = 125

// encode spells a message in a format that has an encoding of its own, for who holds an id
// after it, "" for the message's own.
func encode(m *feed.Message, format int, id string) feed.Encoding {
	switch f := Format(format); f {
	case WebSocketPayload:
		return feed.Encoding{Rest: encodeWebSocketPayload(m)}
	case PollPayload:
		return feed.Encoding{Rest: encodePayload(m)}
	case WebSocket, WebSocketCloudEvents:
		return webSocketEvent(f, m, id)
	default:
		return sseEvent(f, m, id)
	}
}

func webSocketEvent(f Format, m *feed.Message, id string) feed.Encoding {
	d := documentOf(f)
	if alone(m, id) {
		return feed.Encoding{Rest: encodeWebSocket(d, m, idOr(m, id))}
	}
	rest := messageBody(m.Frame(int(f), "", encode).Rest)[d.headBytes(m.ID()):]
	own := d.headBytes(id)
	head := appendMessageHeader(make([]byte, 0, 10+own), opText, own+len(rest))
	return feed.Encoding{Head: d.appendHead(head, id), Rest: rest}
}

// maxHeader is the greatest header of a message of a server.
const maxHeader = 10

func encodeWebSocket(d *document, m *feed.Message, id string) []byte {
	dst := make([]byte, maxHeader, maxHeader+160+len(id)+len(m.ID())+2*len(m.Headers())+len(m.Data)*4/3)
	dst = d.tail(d.appendHead(dst, id), m)
	n := len(dst) - maxHeader
	var header [maxHeader]byte
	h := appendMessageHeader(header[:0], opText, n)
	return dst[maxHeader-copy(dst[maxHeader-len(h):], h):] // right before the body
}

func encodeWebSocketPayload(m *feed.Message) []byte {
	op := byte(opText)
	if !utf8.Valid(m.Data) {
		op = opBinary
	}
	dst := appendMessageHeader(make([]byte, 0, maxHeader+len(m.Data)), op, len(m.Data))
	return append(dst, m.Data...)
}

// Text spells a text message of a server.
func Text(body []byte) []byte {
	dst := appendMessageHeader(make([]byte, 0, maxHeader+len(body)), opText, len(body))
	return append(dst, body...)
}

// Ping spells a ping without payload.
func Ping() []byte { return []byte{opPing, 0} }

// Pong spells the answer to a ping; payload is cut at 125 bytes.
func Pong(payload string) []byte {
	payload = payload[:min(len(payload), maxControl)]
	return append([]byte{opPong, byte(len(payload))}, payload...)
}

// noStatus is the code that stands for none (RFC 6455, section 7.4.1).
const noStatus = 1005

// Close spells a close frame; with code 1005 one without a code. reason is cut at
// 123 bytes.
func Close(code int, reason string) []byte {
	if code == noStatus {
		return []byte{opClose, 0}
	}
	reason = reason[:min(len(reason), maxControl-2)]
	dst := []byte{opClose, byte(2 + len(reason))}
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, reason...)
}

func appendMessageHeader(dst []byte, op byte, n int) []byte {
	switch {
	case n <= maxControl:
		return append(dst, op, byte(n))
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(dst, op, 126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, op, 127), uint64(n))
	}
}

// messageBody is the payload of a message that Text made.
func messageBody(frame []byte) []byte {
	switch frame[1] {
	case 126:
		return frame[4:]
	case 127:
		return frame[10:]
	default:
		return frame[2:]
	}
}
