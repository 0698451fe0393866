package server

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// A server that is stopped while it makes the store of a copy leaves two goroutines
// of that store behind, in nats-server 2.15.2.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.(*fileStore).flushStreamStateLoop"),
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/ats.Register.func1"))
}

func waitFor(t testing.TB, ok func() bool) {
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
