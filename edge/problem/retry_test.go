package problem

import (
	"testing"
	"time"
)

func TestClientsComeBackSpreadOverTime(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 100 {
		p := New(NotReady, "wait").RetrySoon()
		if p.RetryAfter < time.Second || p.RetryAfter >= 3*time.Second {
			t.Fatalf("come back after %v", p.RetryAfter)
		}
		seen[p.RetryAfter] = true
	}
	if len(seen) < 90 {
		t.Errorf("100 clients come back at %d times", len(seen))
	}
}
