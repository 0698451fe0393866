package wire

import (
	"encoding/binary"

	"weft/jetstream/feed"
)

// First bytes of WebSocket frames: FIN and the opcode (RFC 6455, section 5.2).
const (
	opText  = 0x80 | 0x1
	opClose = 0x80 | 0x8
	opPing  = 0x80 | 0x9
	opPong  = 0x80 | 0xA
)

// maxControl is the greatest payload of a WebSocket control frame.
const maxControl = 125

func webSocketEvent(m *feed.Message, id string) (head, rest []byte) {
	full := m.Frame(int(WebSocket), encodeWebSocket)
	if id == "" {
		return nil, full
	}
	rest = messageBody(full)[len(jsonHead)+len(m.ID())+1:]
	own := len(jsonHead) + len(id) + 1
	head = appendMessageHeader(make([]byte, 0, 10+own), opText, own+len(rest))
	return appendHead(head, id), rest
}

func encodeWebSocket(m *feed.Message) []byte {
	body := appendHead(make([]byte, 0, 128+len(m.ID())+len(m.Data)*4/3), m.ID())
	return Text(appendTail(body, m))
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
