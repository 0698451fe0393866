package fault

import (
	"sync"
	"time"
)

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
