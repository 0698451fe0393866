package fault

import "sync"

// A ledger keeps what publishers were told is accepted. Its methods may be called
// concurrently.
type ledger struct {
	mu      sync.Mutex
	numbers map[string][]int
}

func (l *ledger) enter(user string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.numbers == nil {
		l.numbers = map[string][]int{}
	}
	l.numbers[user] = append(l.numbers[user], n)
}

// take returns what was entered since the last call.
func (l *ledger) take() map[string][]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	numbers := l.numbers
	l.numbers = nil
	return numbers
}
