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

// encoders make the encodings that a message keeps. Only those are here that are asked for
// by their format.
var encoders = [formats]func(*feed.Message) []byte{
	SSE:                  encodeSSE,
	SSEFrame:             func(m *feed.Message) []byte { return encodeSSEDocument(SSEFrame, m, asDocument) },
	SSECloudEvents:       func(m *feed.Message) []byte { return encodeSSEDocument(SSECloudEvents, m, asDocument) },
	WebSocket:            func(m *feed.Message) []byte { return encodeWebSocket(&frames, m) },
	WebSocketCloudEvents: func(m *feed.Message) []byte { return encodeWebSocket(&cloudEvents, m) },
}

func webSocketEvent(f Format, m *feed.Message, id string) (head, rest []byte) {
	d := documentOf(f)
	full := m.Frame(int(f), encoders[f])
	if id == "" {
		return nil, full
	}
	rest = messageBody(full)[d.headBytes(m.ID()):]
	own := d.headBytes(id)
	head = appendMessageHeader(make([]byte, 0, 10+own), opText, own+len(rest))
	return d.appendHead(head, id), rest
}

func encodeWebSocket(d *document, m *feed.Message) []byte {
	body := d.appendHead(make([]byte, 0, 160+2*len(m.ID())+2*len(m.Headers())+len(m.Data)*4/3), m.ID())
	return Text(d.tail(body, m))
}

func encodeWebSocketPayload(m *feed.Message) []byte {
	op := byte(opText)
	if !utf8.Valid(m.Data) {
		op = opBinary
	}
	dst := appendMessageHeader(make([]byte, 0, 10+len(m.Data)), op, len(m.Data))
	return append(dst, m.Data...)
}

// Text spells a text message of a server.
func Text(body []byte) []byte {
	dst := appendMessageHeader(make([]byte, 0, 10+len(body)), opText, len(body))
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
