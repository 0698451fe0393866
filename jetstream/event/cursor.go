package event

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"slices"
	"strings"
)

// A Cursor is the position of one client: all with a sequence up to Floor was
// handed over, and of each subject in Above all up to its own sequence, which
// is beyond Floor.
//
// Its text is opaque to clients and safe in a URL and in a header: base64url of
// a version byte, the stream's identity (6 bytes), Floor as a varint, and per
// entry 6 bytes of the subject's hash and the distance to Floor as a varint. A
// client with one subject has no entries, so that the id of an event is the
// same on every transport and node.
type Cursor struct {
	Stream StreamID
	Floor  uint64
	Above  map[SubjectHash]uint64
}

// StreamID identifies one life of the stream EVENTS: a stream that was deleted
// and made anew counts from 1 again, so its cursors must not be mistaken.
type StreamID [6]byte

// SubjectHash stands for a subject in a cursor.
type SubjectHash [6]byte

const (
	cursorVersion = 1
	// MaxCursor is the greatest length of a cursor's text. It fits into a
	// header together with a token.
	MaxCursor = 6144
	// MaxCursorSubjects is how many subjects fit into a cursor of that length.
	MaxCursorSubjects = 256
)

// ErrCursor is returned for text that is no cursor.
var ErrCursor = errors.New("not a cursor")

// HashSubject returns the hash under which a cursor knows the subject.
func HashSubject(subject string) (h SubjectHash) {
	f := fnv.New64a()
	f.Write([]byte(subject))
	copy(h[:], f.Sum(nil)[2:])
	return h
}

// String encodes the cursor. Entries not beyond Floor are left out.
func (c Cursor) String() string {
	above := make([]Position, 0, len(c.Above))
	for h, seq := range c.Above {
		above = append(above, Position{h, seq})
	}
	return CursorText(c.Stream, c.Floor, above)
}

// A Position is how far a client is on one subject.
type Position struct {
	Subject SubjectHash
	Seq     uint64
}

// CursorText is the text of a Cursor whose Above is in a list, which it sorts: what an
// event needs should not have to be put into a map first.
func CursorText(stream StreamID, floor uint64, above []Position) string {
	slices.SortFunc(above, func(a, b Position) int {
		return cmp.Or(bytes.Compare(a.Subject[:], b.Subject[:]), cmp.Compare(a.Seq, b.Seq))
	})
	var bin, text [64]byte // enough for most
	b := append(bin[:0], cursorVersion)
	b = append(b, stream[:]...)
	b = binary.AppendUvarint(b, floor)
	for i, p := range above {
		if p.Seq <= floor || i > 0 && p.Subject == above[i-1].Subject && above[i-1].Seq > floor {
			continue
		}
		b = append(b, p.Subject[:]...)
		b = binary.AppendUvarint(b, p.Seq-floor)
	}
	return string(base64.RawURLEncoding.AppendEncode(text[:0], b))
}

// ParseCursor reads what String made; anything else is ErrCursor.
func ParseCursor(text string) (Cursor, error) {
	if len(text) > MaxCursor || strings.ContainsAny(text, "\r\n") {
		return Cursor{}, ErrCursor
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 1+len(StreamID{})+1 || b[0] != cursorVersion {
		return Cursor{}, ErrCursor
	}
	var c Cursor
	b = b[1:]
	b = b[copy(c.Stream[:], b):]
	floor, n := binary.Uvarint(b)
	if n <= 0 {
		return Cursor{}, ErrCursor
	}
	c.Floor, b = floor, b[n:]
	for len(b) > 0 {
		var h SubjectHash
		if len(b) <= len(h) || len(c.Above) >= MaxCursorSubjects {
			return Cursor{}, ErrCursor
		}
		b = b[copy(h[:], b):]
		d, n := binary.Uvarint(b)
		if n <= 0 || d == 0 || c.Floor+d < c.Floor {
			return Cursor{}, ErrCursor
		}
		if c.Above == nil {
			c.Above = make(map[SubjectHash]uint64)
		}
		if _, twice := c.Above[h]; twice {
			return Cursor{}, ErrCursor
		}
		c.Above[h], b = c.Floor+d, b[n:]
	}
	return c, nil
}

// Of returns the sequence up to which the client has what came on subject.
func (c Cursor) Of(subject string) uint64 {
	if seq, ok := c.Above[HashSubject(subject)]; ok {
		return seq
	}
	return c.Floor
}
