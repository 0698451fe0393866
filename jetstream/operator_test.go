package jetstream

import (
	"testing"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"weft/jetstream/server"
)

// asOperator is JetStream as a client library uses it that writes buckets: its inboxes are
// not the node's.
func asOperator(t *testing.T, n *Node) js.JetStream {
	t.Helper()
	conn, err := n.srv.Connect(server.ControlUser, "operator", nats.CustomInboxPrefix("_INBOX"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	store, err := js.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return store
}
