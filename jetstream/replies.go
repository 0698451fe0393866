package jetstream

import (
	"errors"
	"fmt"
	"hash/maphash"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// replies receives answers that consist of several messages on one
// subscription for the whole node, so that a request costs no interest of its
// own.
type replies struct {
	conn   *nats.Conn
	prefix string
	sub    *nats.Subscription

	mu    sync.Mutex
	next  uint64
	calls map[string]chan<- *nats.Msg
}

func newReplies(conn *nats.Conn) (*replies, error) {
	r := &replies{conn: conn, prefix: conn.NewInbox() + ".", calls: make(map[string]chan<- *nats.Msg)}
	sub, err := conn.Subscribe(r.prefix+">", r.receive)
	if err != nil {
		return nil, fmt.Errorf("subscribe for replies: %w", err)
	}
	// What waits for a reader here was asked for by a bounded number of calls.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return nil, fmt.Errorf("subscribe for replies: %w", err)
	}
	r.sub = sub
	return r, nil
}

func (r *replies) receive(m *nats.Msg) {
	token, _, _ := strings.Cut(m.Subject[len(r.prefix):], ".")
	r.mu.Lock()
	ch := r.calls[token]
	r.mu.Unlock()
	if ch == nil {
		return
	}
	select {
	case ch <- m:
	default: // more than was asked for
	}
}

// expect prepares for up to n answers, on the reply subject itself or on one
// with a further token. done must be called.
func (r *replies) expect(n int) (reply string, answers <-chan *nats.Msg, done func()) {
	ch := make(chan *nats.Msg, n)
	r.mu.Lock()
	r.next++
	token := strconv.FormatUint(r.next, 36)
	r.calls[token] = ch
	r.mu.Unlock()
	return r.prefix + token, ch, func() {
		r.mu.Lock()
		delete(r.calls, token)
		r.mu.Unlock()
	}
}

const (
	statusHeader     = "Status"
	statusNotFound   = "404"
	statusEndOfBatch = "204"
)

var errNotJS = errors.New("not a message of the stream")

// A Stored is a message of the stream.
type Stored struct {
	Subject string // as published
	Seq     uint64
	// Previous is the sequence of the message before: in a delivery copy the one of the
	// same subject (0: none, or it is gone), in a batch the one of that batch.
	Previous uint64
	Header   nats.Header
	Data     []byte

	stored     time.Time // when it was, if a consumer said so
	unreadable bool      // its headers are malformed
}

// ParseStored reads what the stream sent: a delivery copy or an answer to a
// read. Of the headers that the stream adds only the last value counts, since
// a publisher's own would come first.
func ParseStored(m *nats.Msg) (Stored, error) {
	s := Stored{Subject: last(m.Header, "Nats-Subject"), Header: m.Header, Data: m.Data}
	var err error
	if s.Seq, err = strconv.ParseUint(last(m.Header, "Nats-Sequence"), 10, 64); err != nil || s.Seq == 0 || s.Subject == "" {
		return Stored{}, errNotJS
	}
	if v := last(m.Header, "Nats-Last-Sequence"); v != "" {
		if s.Previous, err = strconv.ParseUint(v, 10, 64); err != nil {
			return Stored{}, errNotJS
		}
	}
	return s, nil
}

// ErrForged means that a delivery copy is not the stream's own.
var ErrForged = errors.New("not a delivery copy of the stream")

// stampSeed keeps stamps from being foretold.
var stampSeed = maphash.MakeSeed()

// Stamp tells two messages with one sequence apart, of which the stream has sent
// one only: it stands for the time when the message was stored, to the nanosecond.
// Every replica gives the same. It is 0 when there is no time.
func (s *Stored) Stamp() uint32 {
	if t := last(s.Header, "Nats-Time-Stamp"); t != "" {
		return stamp([]byte(t))
	}
	return 0
}

func stamp(at []byte) uint32 { return uint32(maphash.Bytes(stampSeed, at)) | 1 }

// Time returns when the stream stored the message.
func (s *Stored) Time() time.Time {
	if !s.stored.IsZero() {
		return s.stored
	}
	return readStamp(last(s.Header, "Nats-Time-Stamp"))
}

func last(h nats.Header, key string) string {
	if v := h[key]; len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

func first(h nats.Header, key string) string {
	if v := h[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}
