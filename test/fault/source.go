package fault

import (
	"context"
	"encoding/json"
	"sync"
	"time"
)

// A source is a way in. Its users' events come by it alone, so that their order is
// defined.
type source interface {
	name() string
	// publish publishes a user's event, again and again under one key until it is
	// acknowledged, and returns how often it was refused before. It fails for good
	// only when ctx ends, or the gateway says what waiting does not mend.
	publish(ctx context.Context, user string, n int) (refused int, err error)
	// accepted returns what has been acknowledged since the last call, for each
	// user in order.
	accepted(ctx context.Context) (map[string][]receipt, error)
	close()
}

// An event is the payload of all events of the load.
type event struct {
	User   string `json:"user"`
	Source string `json:"source"`
	N      int    `json:"n"`
	Pad    string `json:"pad"`
}

// pad makes an event about as large as real ones.
const pad = "The quick brown fox jumps over the lazy dog, and then it does so again and again until there are about 200 bytes of it."

func payload(source, user string, n int) []byte {
	b, err := json.Marshal(event{User: user, Source: source, N: n, Pad: pad})
	if err != nil {
		panic(err) // strings and numbers can always be encoded
	}
	return b
}

// A receipt is for an event that was acknowledged.
type receipt struct {
	n  int
	at time.Time
}

func numbers(receipts []receipt) []int {
	list := make([]int, len(receipts))
	for i, r := range receipts {
		list[i] = r.n
	}
	return list
}

// A ledger keeps the receipts of each user, in order. Its methods may be called
// concurrently.
type ledger struct {
	mu       sync.Mutex
	receipts map[string][]receipt
}

func (l *ledger) enter(user string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.receipts == nil {
		l.receipts = map[string][]receipt{}
	}
	l.receipts[user] = append(l.receipts[user], receipt{n, time.Now()})
}

// take returns what was entered since the last call.
func (l *ledger) take() map[string][]receipt {
	l.mu.Lock()
	defer l.mu.Unlock()
	receipts := l.receipts
	l.receipts = nil
	return receipts
}
