package kafka

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestABackoffDoublesItsPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackoff(time.Second, 5*time.Second)
		var got []time.Duration
		wait := func(least time.Duration) {
			began := time.Now()
			if !b.wait(t.Context(), least) {
				t.Fatal("the context has not ended")
			}
			got = append(got, time.Since(began))
		}
		for range 4 {
			wait(0)
		}
		wait(30 * time.Second)
		b.reset()
		wait(0)
		want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 30 * time.Second, time.Second}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if b.wait(ctx, time.Hour) {
			t.Error("waited for a context that has ended")
		}
	})
}
