package natsconn

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
)

// FuzzConn reads what a server might send: nothing but messages within their
// bounds comes out, in whatever pieces it arrives.
func FuzzConn(f *testing.F) {
	f.Add([]byte("MSG user.ann 1 5\r\nhello\r\nHMSG user.bob 1 _INBOX.x 12 17\r\nNATS/1.0\r\n\r\nhello\r\nPING\r\n"), uint8(3))
	f.Add([]byte("MSG a 1 9999999\r\n"), uint8(1))
	f.Add([]byte("HMSG a 1 5 4\r\nabcd\r\n"), uint8(7))
	f.Fuzz(func(t *testing.T, sent []byte, piece uint8) {
		whole, wholeErr := readAll(sent, len(sent)+1)
		parts, partsErr := readAll(sent, int(piece)+1)
		if !slices.EqualFunc(whole, parts, func(a, b string) bool { return a == b }) || (wholeErr == nil) != (partsErr == nil) {
			t.Errorf("at once %q (%v), in pieces %q (%v)", whole, wholeErr, parts, partsErr)
		}
	})
}

// readAll reads what comes in pieces of a size.
func readAll(sent []byte, piece int) (got []string, err error) {
	c := newConn(&script{left: sent, piece: piece})
	for {
		m, err := c.Next()
		if err != nil {
			if errors.Is(err, errProtocol) || errors.Is(err, errServerSays) {
				return got, err
			}
			return got, nil
		}
		got = append(got, fmt.Sprintf("%q %q %q %q", m.Subject, m.Reply, m.Header, m.Data))
	}
}

// A script is a connection on which is read what it holds.
type script struct {
	net.Conn
	left  []byte
	piece int
}

func (s *script) Read(b []byte) (int, error) {
	if len(s.left) == 0 {
		return 0, net.ErrClosed
	}
	n := copy(b, s.left[:min(len(s.left), s.piece)])
	s.left = s.left[n:]
	return n, nil
}

func (s *script) Write(b []byte) (int, error) { return len(b), nil }
