package crowd

import "errors"

var errChunk = errors.New("malformed chunked coding")

// chunks takes chunked coding (RFC 9112, section 7.1) off a stream that is cut
// anywhere. Trailers are not expected: a stream of events has none. The zero
// value is ready.
type chunks struct {
	left  uint64 // of the chunk's data; while its head is read, its size so far
	state chunkState
}

type chunkState uint8

const (
	chunkSize      chunkState = iota // hexadecimal digits
	chunkExtension                   // up to the end of the line
	chunkData
	chunkEnd // CR LF after the data
	chunkLast
)

// maxChunk bounds a chunk, against a size that overflows.
const maxChunk = 1 << 40

// next returns the next piece of content in b, which may be empty, and what
// follows it. It is to be called until rest is empty. errEnded is returned with
// the last chunk.
func (c *chunks) next(b []byte) (body, rest []byte, err error) {
	for len(b) > 0 {
		switch c.state {
		case chunkData:
			n := min(c.left, uint64(len(b)))
			if c.left -= n; c.left == 0 {
				c.state = chunkEnd
			}
			return b[:n], b[n:], nil
		case chunkLast:
			return nil, nil, errEnded
		default:
			if err := c.head(b[0]); err != nil {
				return nil, nil, err
			}
			b = b[1:]
		}
	}
	if c.state == chunkLast {
		return nil, nil, errEnded
	}
	return nil, nil, nil
}

// head takes a byte that is not content.
func (c *chunks) head(b byte) error {
	if c.state == chunkEnd {
		switch b {
		case '\r':
		case '\n':
			c.state = chunkSize
		default:
			return errChunk
		}
		return nil
	}
	if b == '\n' {
		c.state = chunkData
		if c.left == 0 {
			c.state = chunkLast
		}
		return nil
	}
	if c.state == chunkExtension {
		return nil
	}
	switch {
	case '0' <= b && b <= '9':
		c.left = c.left<<4 | uint64(b-'0')
	case 'a' <= b|0x20 && b|0x20 <= 'f':
		c.left = c.left<<4 | uint64(b|0x20-'a'+10)
	case b == ';' || b == '\r' || b == ' ' || b == '\t':
		c.state = chunkExtension
	default:
		return errChunk
	}
	if c.left > maxChunk {
		return errChunk
	}
	return nil
}
