package feed

import (
	"context"
	"sync"
)

// A query asks the stream on behalf of many callers, coalesced: at most one request is in
// flight, and everybody gets an answer that was asked for after they came.
type query[T any] struct {
	ask func(context.Context) (T, error)

	mu   sync.Mutex
	next *answer[T]
	busy bool
}

type answer[T any] struct {
	done  chan struct{}
	value T
	err   error
}

// fresh returns an answer to what was asked after fresh was called.
func (q *query[T]) fresh(ctx context.Context) (value T, err error) {
	q.mu.Lock()
	if q.next == nil {
		q.next = &answer[T]{done: make(chan struct{})}
	}
	a := q.next
	if !q.busy {
		q.busy = true
		go q.run()
	}
	q.mu.Unlock()
	select {
	case <-a.done:
		return a.value, a.err
	case <-ctx.Done():
		return value, ctx.Err()
	}
}

func (q *query[T]) run() {
	for {
		q.mu.Lock()
		a := q.next
		q.next = nil
		if a == nil {
			q.busy = false
			q.mu.Unlock()
			return
		}
		q.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), stateTry)
		a.value, a.err = q.ask(ctx)
		cancel()
		close(a.done)
	}
}
