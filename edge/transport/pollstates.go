package transport

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"
)

// patience is how long a poll waits for states of presence that are not known yet, which
// other nodes are asked for. It is answered with those that are known then.
const patience = 2 * time.Second

// pollStates are the states of presence that a poll tells, guarded by its buffer. Every
// answer has them, and an id that stands for all of them. It is made of what is told
// alone, so that it is the same on every node. Who brings it hears of other states at
// once; who brings none, of others than those that there were when the poll began.
type pollStates struct {
	subjects []string // in order
	states   map[string]json.RawMessage
	has      string // what the client's id is
	patience *time.Timer
	hasty    bool // what is known must do
}

// expect tells the buffer, before its session is open, what presence is followed, and the
// id of the states that the client has. With atOnce the poll is answered although nothing
// came.
func (b *pollBuffer) expect(presence []string, has string, atOnce bool) {
	b.atOnce = atOnce
	if len(presence) == 0 {
		return
	}
	b.states = &pollStates{subjects: slices.Sorted(slices.Values(presence)), states: make(map[string]json.RawMessage, len(presence)), has: has}
	b.states.patience = time.AfterFunc(patience, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.states.hasty = true
		b.tell()
	})
}

// State implements session.Outbox.
func (b *pollBuffer) State(subject string, data, _ []byte) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.states != nil {
		b.states.states[subject] = data
		b.tell()
	}
	return data
}

func (s *pollStates) complete() bool { return len(s.states) == len(s.subjects) }

// differ reports whether the states are others than the client has.
func (s *pollStates) differ() bool {
	if !s.complete() {
		return false
	}
	_, id := s.list()
	if s.has == "" {
		s.has = id
	}
	return id != s.has
}

// list returns the states that are known, in the order of their subjects, and their id.
func (s *pollStates) list() (states []json.RawMessage, id string) {
	sum := sha256.New()
	states = make([]json.RawMessage, 0, len(s.subjects))
	for _, subject := range s.subjects {
		state, ok := s.states[subject]
		if !ok {
			continue
		}
		states = append(states, state)
		sum.Write([]byte(subject))
		sum.Write([]byte{0})
		sum.Write(state) // JSON: no byte of it is zero
		sum.Write([]byte{0})
	}
	return states, base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:12])
}
