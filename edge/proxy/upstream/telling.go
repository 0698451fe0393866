package upstream

import "sync"

// A telling passes 1xx answers on, one after the other. Those of HTTP/2 are not passed on by
// who reads the connection to the server: a client that takes nothing would hold up the
// requests of all others there.
type telling struct {
	mu   sync.Mutex
	last chan struct{} // closed when the last one was passed on; nil: there was none
}

// begin passes one on when those before were.
func (t *telling) begin(pass func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before, done := t.last, make(chan struct{})
	t.last = done
	go func() {
		defer close(done)
		if before != nil {
			<-before
		}
		pass()
	}()
}

// wait returns when all were passed on.
func (t *telling) wait() {
	t.mu.Lock()
	last := t.last
	t.mu.Unlock()
	if last != nil {
		<-last
	}
}
