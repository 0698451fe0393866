package crowd

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// maxHead bounds the head of a response.
const maxHead = 16 << 10

// A listener is what a plain connection needs beyond its subscriber: how to get
// from the bytes of a connection to content. It takes what comes in pieces.
type listener struct {
	subscriber
	head    []byte // of the response, until it is complete
	control []byte // of a WebSocket control frame that is not complete
	chunks  chunks
	frames  frames
	coding  coding
}

// coding is what content is wrapped into.
type coding uint8

const (
	codingHead coding = iota // the head of the response is still coming
	codingNone
	codingChunks
	codingFrames
)

// take looks at what came, with s.mu held, and returns what is to be answered.
func (l *listener) take(s *shard, b []byte, now time.Duration) (answer []byte, err error) {
	if l.coding == codingHead {
		if b, err = l.open(s, b); err != nil || l.coding == codingHead {
			return nil, err
		}
	}
	switch l.coding {
	case codingChunks:
		for {
			var body []byte
			if body, b, err = l.chunks.next(b); err != nil {
				return nil, err
			}
			s.take(&l.subscriber, body, now)
			if len(b) == 0 {
				return nil, nil
			}
		}
	case codingFrames:
		for {
			var p piece
			if p, b, err = l.frames.next(b); err != nil {
				return nil, err
			}
			if p.ok && p.op >= opClose {
				more, err := l.answer(p)
				if err != nil {
					return nil, err
				}
				answer = append(answer, more...)
			} else {
				s.take(&l.subscriber, p.data, now)
			}
			if len(b) == 0 {
				return answer, nil
			}
		}
	default:
		s.take(&l.subscriber, b, now)
		return nil, nil
	}
}

// open reads the head of the response and returns what follows it.
func (l *listener) open(s *shard, b []byte) ([]byte, error) {
	l.head = append(l.head, b...)
	i := bytes.Index(l.head, []byte("\r\n\r\n"))
	if i < 0 {
		if len(l.head) > maxHead {
			return nil, fmt.Errorf("the head of the response is longer than %d bytes", maxHead)
		}
		return nil, nil
	}
	head, rest := string(l.head[:i+2]), l.head[i+4:]
	l.head = nil
	status, fields, _ := strings.Cut(head, "\r\n")
	var code int
	if _, err := fmt.Sscanf(status, "HTTP/1.1 %d", &code); err != nil {
		return nil, fmt.Errorf("malformed status line %.60q", status)
	}
	switch {
	case code == http.StatusSwitchingProtocols:
		l.coding = codingFrames
	case code != http.StatusOK:
		return nil, fmt.Errorf("refused: %s %.200s", status, rest)
	case strings.Contains(strings.ToLower(fields), "transfer-encoding: chunked\r\n"):
		l.coding = codingChunks
	default:
		l.coding = codingNone
	}
	if s.crowd.cfg.Ready == "" {
		s.begin(&l.subscriber)
	}
	return rest, nil
}

// answer takes a piece of a control frame.
func (l *listener) answer(p piece) ([]byte, error) {
	switch {
	case p.op == opClose:
		return nil, errEnded
	case len(l.control)+len(p.data) > 125:
		return nil, fmt.Errorf("a WebSocket control frame is longer than 125 bytes")
	case !p.end:
		l.control = append(l.control, p.data...)
		return nil, nil
	}
	payload := append(l.control, p.data...)
	l.control = nil
	if p.op != opPing {
		return nil, nil
	}
	return pong(payload), nil
}
