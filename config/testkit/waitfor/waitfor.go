// Package waitfor lets a test wait for what other goroutines bring about, or for some time.
package waitfor

import (
	"context"
	"testing"
	"time"
)

// True waits until ok is true, which it asks every 5 ms; after a minute the test fails.
func True(t testing.TB, ok func() bool) {
	t.Helper()
	until(t, time.Minute, 5*time.Millisecond, "it comes true", ok)
}

// Within waits until yes is true, which it asks every 25 ms; after the limit the test fails with
// what was hoped for.
func Within(t testing.TB, limit time.Duration, hope string, yes func() bool) {
	t.Helper()
	until(t, limit, 25*time.Millisecond, hope, yes)
}

func until(t testing.TB, limit, every time.Duration, hope string, yes func() bool) {
	t.Helper()
	tick := time.NewTicker(every)
	defer tick.Stop()
	end := time.After(limit)
	for !yes() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not within %v: %s", limit, hope)
		}
	}
}

// Time waits for as long as d; it fails when the context ends first.
func Time(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
