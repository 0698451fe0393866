package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A Route is the document of a route.
type Route = map[string]any

// PutRoute puts a route into the bucket by way of a node, and waits until all nodes
// that are named, or else that one, have made their tables of it. A document that is a
// string goes as it is. It returns the revision.
func PutRoute(t testing.TB, by *Node, name string, document any, nodes ...*Node) uint64 {
	t.Helper()
	text, ok := document.(string)
	if !ok {
		b, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		text = string(b)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	bucket, done := routesOf(t, ctx, by)
	defer done()
	revision, err := bucket.Put(ctx, name, []byte(text))
	if err != nil {
		t.Fatalf("put route %s: %v", name, err)
	}
	AwaitRoutes(t, revision, append(nodes, by)...)
	return revision
}

// DeleteRoute deletes a route by way of a node, and waits as PutRoute does.
func DeleteRoute(t testing.TB, by *Node, name string, nodes ...*Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	bucket, done := routesOf(t, ctx, by)
	defer done()
	if err := bucket.Delete(ctx, name); err != nil {
		t.Fatalf("delete route %s: %v", name, err)
	}
	s, err := bucket.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	AwaitRoutes(t, s.(*jetstream.KeyValueBucketStatus).StreamInfo().State.LastSeq, append(nodes, by)...)
}

// routesOf is the bucket as a node shows it to an operator's NATS client, until done.
func routesOf(t testing.TB, ctx context.Context, by *Node) (bucket jetstream.KeyValue, done func()) {
	t.Helper()
	nc, err := nats.Connect("nats://"+by.nats, append(by.operator(), patient)...)
	if err != nil {
		t.Fatalf("connect to nats: %v", err)
	}
	js, err := jetstream.New(nc)
	if err == nil {
		bucket, err = js.KeyValue(ctx, "routes")
	}
	if err != nil {
		nc.Close()
		t.Fatalf("open the bucket routes: %v", err)
	}
	return bucket, nc.Close
}

// operator are the options of a NATS client that may change buckets: those of the first
// operator among node.users, or none.
func (n *Node) operator() []nats.Option {
	users, _ := n.Config["node.users"].([]any)
	for _, u := range users {
		if user, ok := u.(map[string]any); ok && user["role"] == "operator" {
			name := user["name"].(string)
			return []nats.Option{nats.UserInfo(name, user["password"].(string)), nats.CustomInboxPrefix("_INBOX_" + name)}
		}
	}
	return n.NATSOptions()
}

var tableRevision = regexp.MustCompile(`(?m)^weft_route_table_revision (\S+)$`)

// AwaitRoutes waits until the tables of nodes are of a revision of the bucket, or of a
// newer one.
func AwaitRoutes(t testing.TB, revision uint64, nodes ...*Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	for _, n := range nodes {
		for {
			have, err := n.tableRevision(ctx)
			if err == nil && have >= revision {
				break
			}
			select {
			case <-ctx.Done():
				t.Fatalf("the table of %s is of revision %d, not %d: %v", n.Config["node.name"], have, revision, err)
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
}

// tableRevision is that of the table of routes which the node serves by.
func (n *Node) tableRevision(ctx context.Context) (uint64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, n.AdminURL()+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	found := tableRevision.FindSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("no weft_route_table_revision at /metrics")
	}
	value, err := strconv.ParseFloat(string(found[1]), 64)
	return uint64(value), err
}
