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

// Within waits until yes is true, which it asks every 25 ms; after the limit the test fails with
// what was hoped for.
func Within(t testing.TB, limit time.Duration, hope string, yes func() bool) {
	t.Helper()
	tick := time.NewTicker(25 * time.Millisecond)
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
