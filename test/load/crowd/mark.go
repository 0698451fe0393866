package crowd

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// A Mark says which event a payload is. It is written as '~' and 32 hexadecimal
// digits, which pass through JSON, SSE and WebSocket text as they are.
type Mark struct {
	Subject uint32
	Number  uint32        // on its subject, from 1
	Sent    time.Duration // by Now
}

// MarkSize is the length of a mark in bytes.
const MarkSize = 1 + markDigits

const (
	markByte   = '~'
	markDigits = 8 + 8 + 16
)

var start = time.Now()

// Now is the clock of marks: the monotonic time since the process began.
func Now() time.Duration { return time.Since(start) }

// Append writes the mark.
func (m Mark) Append(dst []byte) []byte {
	var raw [markDigits / 2]byte
	binary.BigEndian.PutUint32(raw[0:], m.Subject)
	binary.BigEndian.PutUint32(raw[4:], m.Number)
	binary.BigEndian.PutUint64(raw[8:], uint64(m.Sent))
	return hex.AppendEncode(append(dst, markByte), raw[:])
}

// Payload is JSON of exactly size bytes with the mark in it, or what is needed
// when size is less.
func (m Mark) Payload(dst []byte, size int) []byte {
	const before, between, after = `{"m":"`, `","p":"`, `"}`
	dst = append(dst, before...)
	dst = append(m.Append(dst), between...)
	for range size - len(before) - MarkSize - len(between) - len(after) {
		dst = append(dst, 'x')
	}
	return append(dst, after...)
}

// marks finds marks in a stream that is cut anywhere. The zero value is ready.
type marks struct {
	part [markDigits]byte
	have uint8 // one more than the digits in part; 0 outside of a mark
}

// next returns the first mark in b and what follows it. When ok is false, all of
// b has been looked at.
func (k *marks) next(b []byte) (m Mark, rest []byte, ok bool) {
	for {
		if k.have == 0 {
			i := bytes.IndexByte(b, markByte)
			if i < 0 {
				return Mark{}, nil, false
			}
			b = b[i+1:]
			k.have = 1
		}
		n := copy(k.part[k.have-1:], b)
		if i := bytes.IndexByte(b[:n], markByte); i >= 0 {
			k.have, b = 1, b[i+1:] // what began before was none
			continue
		}
		k.have += uint8(n)
		b = b[n:]
		if k.have <= markDigits {
			return Mark{}, nil, false
		}
		k.have = 0
		var raw [markDigits / 2]byte
		if _, err := hex.Decode(raw[:], k.part[:]); err != nil {
			continue
		}
		return Mark{
			Subject: binary.BigEndian.Uint32(raw[0:]), Number: binary.BigEndian.Uint32(raw[4:]),
			Sent: time.Duration(binary.BigEndian.Uint64(raw[8:])),
		}, b, true
	}
}
