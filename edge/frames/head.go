package frames

import "encoding/binary"

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
func (r *Reader) head() (h frameHead, ok bool, err error) {
	if len(r.got) < 2 {
		return h, false, nil
	}
	first, second := r.got[0], r.got[1]
	h.opcode, h.final = first&0x0f, first&Final != 0
	if err := r.judge(h, first, second); err != nil {
		return h, false, err
	}
	length := uint64(second & 0x7f)
	h.size = 2
	switch length {
	case 126:
		if len(r.got) < 4 {
			return h, false, nil
		}
		h.size, length = 4, uint64(binary.BigEndian.Uint16(r.got[2:]))
	case 127:
		if len(r.got) < 10 {
			return h, false, nil
		}
		h.size, length = 10, binary.BigEndian.Uint64(r.got[2:])
	}
	h.size += 4
	// Of many tiny frames the heads are most.
	if h.opcode < Close && (length > uint64(int(r.Limit)-len(r.message)) || int(r.spent) > 2*int(r.Limit)) {
		return h, false, errTooBig
	}
	h.body = int(length)
	return h, len(r.got) >= h.size, nil
}

// judge says what the first two bytes of a frame break.
func (r *Reader) judge(h frameHead, first, second byte) error {
	switch {
	case first&0x70 != 0:
		return errReserved
	case h.opcode > Binary && h.opcode < Close || h.opcode > Pong:
		return errOpcode
	case second&0x80 == 0:
		return errUnmasked
	case h.opcode >= Close:
		if !h.final || second&0x7f > maxControl {
			return errControl
		}
	case h.opcode == Continuation:
		if !r.Midway() {
			return errNoMessage
		}
	case r.Midway():
		return errWithin
	}
	return nil
}
