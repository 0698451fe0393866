package frames

import (
	"encoding/binary"
	"slices"
	"strings"

	"weft/config/testkit/clientframe"
)

// closing is a close frame with a code.
func closing(code uint16, reason string) []byte {
	return clientframe.Masked(Final|Close, string(binary.BigEndian.AppendUint16(nil, code))+reason)
}

// seeds are what clients say, one of each kind, and of all that is wrong with it.
func seeds() [][]byte {
	text, ping, last := clientframe.Masked(Final|Text, "text"), clientframe.Masked(Final|Ping, "ping"), clientframe.Masked(Final|Continuation, "st")
	all := [][]byte{
		nil, text, ping, clientframe.Masked(Final|Binary, "\x00\xff"), clientframe.Masked(Final|Pong, ""), clientframe.Masked(Final|Text, ""), clientFrame(Final|Text, []byte("long head")),
		clientFrame(Final|Binary, make([]byte, 300)), clientframe.Masked(Final|Ping, strings.Repeat("x", maxControl)), {Final | Ping, 0x80 | 126, 0, 1, 0, 0, 0, 0, 'x'},
		{Final | Text, 2, 'n', 'o'}, {Final | Text, 127}, clientframe.Masked(Final|0x40|Text, "reserved"), clientframe.Masked(Final|3, "opcode"), clientframe.Masked(Final|11, "opcode"),
		last, clientframe.Masked(Ping, "in fragments"), slices.Concat(clientframe.Masked(Text, "fir"), ping, clientframe.Masked(Continuation, ", "), last, text),
		slices.Concat(clientframe.Masked(Text, "one"), clientframe.Masked(Final|Binary, "within another")), slices.Concat(clientframe.Masked(Binary, ""), clientframe.Masked(Continuation, "\xff"), last),
		slices.Concat(clientframe.Masked(Text, "\xce"), clientframe.Masked(Final|Continuation, "\xba")), slices.Concat(clientframe.Masked(Text, "\xce"), clientframe.Masked(Final|Continuation, "x")),
		clientframe.Masked(Final|Text, "\xed\xa0\x80"), clientframe.Masked(Text, "\xf4\x90"), clientframe.Masked(Final|Text, "\xce"), slices.Concat(clientframe.Masked(Text, "\xe1"), ping, closing(1000, "")),
		binary.BigEndian.AppendUint64([]byte{Final | Text, 0x80 | 127}, limit+1), binary.BigEndian.AppendUint64([]byte{Final | Text, 0x80 | 127}, 1<<63),
		clientframe.Masked(Final|Close, ""), clientframe.Masked(Final|Close, "h"), closing(1000, "so be it"), closing(1000, "\xff"), slices.Concat(closing(1001, ""), text),
	}
	for _, code := range []uint16{0, 999, 1000, 1003, 1004, 1005, 1006, 1007, 1011, 1012, 1013, 1014, 1015, 1016, 2999, 3000, 4999, 5000, 65535} {
		all = append(all, closing(code, ""))
	}
	return all
}
