// Package waitfor lets a test wait for what other goroutines bring about.
package waitfor

import (
	"context"
	"testing"
	"time"
)

// True waits until ok is true, which it asks every 5 ms; after a minute the test fails.
func True(t testing.TB, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatal("it did not come true within a minute")
		case <-time.After(5 * time.Millisecond):
		}
	}
}
