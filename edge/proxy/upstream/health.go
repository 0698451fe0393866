package upstream

import (
	"sync"
	"time"
)

const (
	// maxFailures is how many connects in a row must fail for a server to be set aside.
	maxFailures = 3
	// asideTime is for how long it is.
	asideTime = 10 * time.Second
)

// A health is what this node has seen of a server when it connected. Its methods may be
// called concurrently.
type health struct {
	mu       sync.Mutex
	failures int       // in a row
	until    time.Time // zero: it is not set aside
	trying   bool      // a request tries it
}

// aside reports whether the server is set aside. If it is due and claim is set, the caller is
// the one who tries it, and must see to it that release is called if it does not connect.
func (h *health) aside(claim bool) (aside, claimed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.until.IsZero() {
		return false, false
	}
	if claim && !h.trying && !time.Now().Before(h.until) {
		h.trying = true
		return true, true
	}
	return true, false
}

// connected tells that a connect succeeded; it reports whether the server was set aside.
func (h *health) connected() (back bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	back = !h.until.IsZero()
	h.failures, h.until, h.trying = 0, time.Time{}, false
	return back
}

// failed tells that one failed; it reports whether the server is set aside by it.
func (h *health) failed() (away bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failures++
	if h.failures < maxFailures {
		return false
	}
	away = h.until.IsZero()
	h.until, h.trying = time.Now().Add(asideTime), false
	return away
}

// release tells that who was to try the server did not.
func (h *health) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trying = false
}
