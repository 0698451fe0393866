package server

import (
	"testing"

	"go.uber.org/goleak"
)

// A server that is stopped while it makes the store of a copy leaves two goroutines
// of that store behind, in nats-server 2.15.2.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.(*fileStore).flushStreamStateLoop"),
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/ats.Register.func1"))
}
