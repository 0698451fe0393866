package api

import (
	"context"
	"errors"
	"fmt"
)

// A Semaphore bounds how many calls run at once.
type Semaphore chan struct{}

// ErrBusy means that too many calls run.
var ErrBusy = errors.New("too many requests wait for the store")

// Acquire waits for a place until ctx ends, which is ErrBusy. release must be called.
func (s Semaphore) Acquire(ctx context.Context) (release func(), err error) {
	select {
	case s <- struct{}{}:
		return s.release, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
	}
}

// TryAcquire does not wait: it is not ok when there is no place.
func (s Semaphore) TryAcquire() (release func(), ok bool) {
	select {
	case s <- struct{}{}:
		return s.release, true
	default:
		return nil, false
	}
}

func (s Semaphore) release() { <-s }
