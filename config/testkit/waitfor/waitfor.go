// Package waitfor lets a test wait for what other goroutines bring about.
package waitfor

import (
	"context"
	"testing"
	"time"
)

// True waits until ok is true, which it asks every 5 ms; after 30 s the test fails.
func True(t testing.TB, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatal("it did not come true within 30 s")
		case <-time.After(5 * time.Millisecond):
		}
	}
}
