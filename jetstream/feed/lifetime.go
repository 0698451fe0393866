package feed

import (
	"context"
	"sync"
)

// A life is how long a feed or a reader lasts. A context would cost each of them
// some 300 bytes for good; here there is one only while somebody works for it.
// The zero value is alive.
type lifetime struct {
	mu    sync.Mutex
	ended bool
	work  *work // nil while nobody works
}

// Work is what those share who work for a life at the same time.
type work struct {
	workers int
	ctx     context.Context
	cancel  context.CancelFunc
}

// enter returns a context that ends with parent and with the life. leave must be
// called.
func (l *lifetime) enter(parent context.Context) (ctx context.Context, leave func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.work == nil {
		l.work = new(work)
		l.work.ctx, l.work.cancel = context.WithCancel(parent)
		if l.ended {
			l.work.cancel()
		}
	}
	l.work.workers++
	return l.work.ctx, l.leave
}

func (l *lifetime) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.work.workers--; l.work.workers == 0 {
		l.work.cancel()
		l.work = nil
	}
}

// end ends it. It may be called again.
func (l *lifetime) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	if l.work != nil {
		l.work.cancel()
	}
}

// over reports whether it has ended.
func (l *lifetime) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}
