package frames

import (
	"encoding/binary"
	"slices"
	"strings"
)

// masked spells a client's frame with the fewest bytes of length, and a mask.
func masked(first byte, payload string) []byte {
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

// closing is a close frame with a code.
func closing(code uint16, reason string) []byte {
	return masked(Final|Close, string(binary.BigEndian.AppendUint16(nil, code))+reason)
}

// seeds are what clients say, one of each kind, and of all that is wrong with it.
func seeds() [][]byte {
	text, ping, last := masked(Final|Text, "text"), masked(Final|Ping, "ping"), masked(Final|Continuation, "st")
	all := [][]byte{
		nil, text, ping, masked(Final|Binary, "\x00\xff"), masked(Final|Pong, ""), masked(Final|Text, ""), clientFrame(Final|Text, []byte("long head")),
		clientFrame(Final|Binary, make([]byte, 300)), masked(Final|Ping, strings.Repeat("x", maxControl)), {Final | Ping, 0x80 | 126, 0, 1, 0, 0, 0, 0, 'x'},
		{Final | Text, 2, 'n', 'o'}, {Final | Text, 127}, masked(Final|0x40|Text, "reserved"), masked(Final|3, "opcode"), masked(Final|11, "opcode"),
		last, masked(Ping, "in fragments"), slices.Concat(masked(Text, "fir"), ping, masked(Continuation, ", "), last, text),
		slices.Concat(masked(Text, "one"), masked(Final|Binary, "within another")), slices.Concat(masked(Binary, ""), masked(Continuation, "\xff"), last),
		slices.Concat(masked(Text, "\xce"), masked(Final|Continuation, "\xba")), slices.Concat(masked(Text, "\xce"), masked(Final|Continuation, "x")),
		masked(Final|Text, "\xed\xa0\x80"), masked(Text, "\xf4\x90"), masked(Final|Text, "\xce"), slices.Concat(masked(Text, "\xe1"), ping, closing(1000, "")),
		binary.BigEndian.AppendUint64([]byte{Final | Text, 0x80 | 127}, limit+1), binary.BigEndian.AppendUint64([]byte{Final | Text, 0x80 | 127}, 1<<63),
		masked(Final|Close, ""), masked(Final|Close, "h"), closing(1000, "so be it"), closing(1000, "\xff"), slices.Concat(closing(1001, ""), text),
	}
	for _, code := range []uint16{0, 999, 1000, 1003, 1004, 1005, 1006, 1007, 1011, 1012, 1013, 1014, 1015, 1016, 2999, 3000, 4999, 5000, 65535} {
		all = append(all, closing(code, ""))
	}
	return all
}
