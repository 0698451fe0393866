package edge_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/config/testkit/clientframe"
	"weft/config/testkit/slow"
	"weft/edge"
	"weft/edge/frames"
	"weft/edge/transport"
	"weft/jetstream"
)

// TestWebSocketsAsTheRFCWantsThem does what the fuzzing client of Autobahn does to a
// server, with its numbers. That one expects an echo; here a message is a command,
// and the answer to it, which repeats "ref", shows that it came whole.
//
// Left out are 9.1.4 to 9.1.6, 9.2.4 to 9.2.6 and the like, since a message of more
// than 1.4 MiB is refused (which is a case here), 9.7, 9.8 and the rest of 10, which
// measure how fast an echo is, and 12 and 13: there is no compression.
func TestWebSocketsAsTheRFCWantsThem(t *testing.T) {
	t.Parallel()
	for _, p := range slow.First(paths) {
		if !slices.Contains(p.kinds, transport.WebSocket) {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := newStackOn(t, p, func(c *edge.Config, _ *jetstream.Config) {
				c.Public.Keepalive = 10 * time.Second // a message may take six, also on a slow machine
			})
			token := s.token("ann", nil)
			for _, c := range rfcCases() {
				t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
					conn, in := s.shakeHands(t, token)
					c.run(t, conn, in)
				})
			}
		})
	}
}

// An rfcCase is frames and what a client hears of it, keep-alives and weft.open left
// out: "pong:…", "ref:…" of an answer, "error:…" of one without ref, "close:…" with
// code and reason, in order. After a close the connection ends; else it must live.
type rfcCase struct {
	name string
	sent [][]byte // each in a write of its own
	want []string
}

func (c *rfcCase) run(t *testing.T, conn net.Conn, in *bufio.Reader) {
	t.Helper()
	want := slices.Clone(c.want)
	closes := len(want) > 0 && strings.HasPrefix(want[len(want)-1], "close:")
	sent := c.sent
	if !closes {
		sent, want = append(slices.Clone(sent), clientframe.Masked(frames.Final|frames.Ping, "still there?")), append(want, "pong:still there?")
	}
	for _, b := range sent {
		if _, err := conn.Write(b); err != nil && !closes {
			t.Fatal(err)
		}
	}
	var got []string
	for closes || len(got) < len(want) {
		h, err := hearFrame(in)
		if errors.Is(err, io.EOF) && closes {
			break
		}
		if err != nil {
			t.Fatalf("heard %.300q, then %v; want %.300q", got, err, want)
		}
		if h != "" {
			got = append(got, h)
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("heard %.300q, want %.300q", got, want)
	}
}

// shakeHands opens a WebSocket and reads the head of the answer, no more. Frames are
// sent behind the request at once.
func (s *stack) shakeHands(t *testing.T, token string, frames ...[]byte) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", s.edge.PublicAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	if s.trust != nil {
		trust := s.trust.Clone()
		trust.ServerName = "127.0.0.1"
		conn = tls.Client(conn, trust)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET /_weft/v1/events HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer "+token+"\r\n\r\n"+string(bytes.Join(frames, nil))); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp, err)
	}
	return conn, in
}

// hearFrame reads a frame of the server as an rfcCase has it; "" is Weft's own.
func hearFrame(in *bufio.Reader) (string, error) {
	first, err := in.ReadByte()
	if err != nil {
		return "", err
	}
	second, err := in.ReadByte()
	if err != nil {
		return "", io.ErrUnexpectedEOF
	}
	size := uint64(second)
	if second >= 126 {
		long := make([]byte, 2+6*(second-126))
		if _, err := io.ReadFull(in, long); err != nil {
			return "", io.ErrUnexpectedEOF
		}
		size = binary.BigEndian.Uint64(append(make([]byte, 8-len(long)), long...))
	}
	payload := make([]byte, min(size, 1<<20))
	if _, err := io.ReadFull(in, payload); err != nil {
		return "", io.ErrUnexpectedEOF
	}
	switch first {
	case frames.Final | frames.Ping:
		return "", nil
	case frames.Final | frames.Pong:
		return "pong:" + string(payload), nil
	case frames.Final | frames.Close:
		if len(payload) < 2 {
			return "close:" + string(payload), nil
		}
		return fmt.Sprintf("close:%d %s", binary.BigEndian.Uint16(payload), payload[2:]), nil
	case frames.Final | frames.Text:
		var f struct {
			Type  string
			Ref   any
			Error struct{ Code string }
		}
		switch err := json.Unmarshal(payload, &f); {
		case err != nil:
			return fmt.Sprintf("no JSON: %q", payload), nil
		case strings.HasPrefix(f.Type, "weft."):
			return "", nil
		case f.Ref == nil:
			return "error:" + f.Error.Code, nil
		}
		return fmt.Sprint("ref:", f.Ref), nil
	}
	return fmt.Sprintf("a frame that begins with % x", []byte{first, second}), nil
}

// clientFrame spells a frame with the most bytes of length, and a mask of zeros.
func clientFrame(first byte, payload []byte) []byte {
	head := binary.BigEndian.AppendUint64([]byte{first, 0x80 | 127}, uint64(len(payload)))
	return append(append(head, 0, 0, 0, 0), payload...)
}

// chopped cuts what is to be sent into writes of so many bytes.
func chopped(size int, frames ...[]byte) [][]byte {
	return slices.Collect(slices.Chunk(bytes.Join(frames, nil), size))
}

// closing is a close frame's payload.
func closing(code uint16, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, code)) + reason
}
