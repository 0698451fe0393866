package browser

import (
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// A Shared is the browser of all tests of a package, whose TestMain closes it. The zero value is
// ready. It may be used concurrently.
type Shared struct {
	mu      sync.Mutex
	browser *Browser
}

// Get returns the browser, which it starts with these options when there is none yet.
func (s *Shared) Get(t testing.TB, more ...chromedp.ExecAllocatorOption) *Browser {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.browser == nil {
		b, err := Start(more...)
		if err != nil {
			t.Fatalf("%v; test/scripts/prepare.sh installs it", err)
		}
		s.browser = b
	}
	return s.browser
}

// Close ends the browser, if one was started.
func (s *Shared) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.browser != nil {
		s.browser.Close()
	}
}
