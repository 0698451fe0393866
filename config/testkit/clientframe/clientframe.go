// Package clientframe spells frames of a WebSocket client (RFC 6455, section 5.2) for tests.
package clientframe

import "encoding/binary"

// Masked spells a client's frame with the fewest bytes of length, and a mask.
func Masked(first byte, payload string) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	const mask = "\x9f\x03\x7a\xc5"
	b = append(b, mask...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i%4])
	}
	return b
}
