package api

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// A Mux receives answers that consist of several messages on one
// subscription for the whole connection, so that a request costs no interest of its
// own. Its methods may be called concurrently.
type Mux struct {
	prefix string
	sub    *nats.Subscription

	mu    sync.Mutex
	next  uint64
	calls map[string]chan<- *nats.Msg
}

// NewMux subscribes.
func NewMux(conn *nats.Conn) (*Mux, error) {
	r := &Mux{prefix: conn.NewInbox() + ".", calls: make(map[string]chan<- *nats.Msg)}
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

func (r *Mux) receive(m *nats.Msg) {
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

// Expect prepares for up to n answers, on the reply subject itself or on one
// with a further token. done must be called.
func (r *Mux) Expect(n int) (reply string, answers <-chan *nats.Msg, done func()) {
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
