package test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"weft/test/stage"
)

// sameRoutes are three nodes and the routes that all of them have.
type sameRoutes struct {
	t     testing.TB
	nodes []*stage.Node
	back  string
}

// routes is the bucket as a node shows it to an operator's library.
func (x *sameRoutes) routes(n *stage.Node) (jetstream.JetStream, jetstream.KeyValue) {
	x.t.Helper()
	js, err := jetstream.New(n.NATS())
	if err != nil {
		x.t.Fatal(err)
	}
	bucket, err := js.KeyValue(soon(x.t), "routes")
	if err != nil {
		x.t.Fatal(err)
	}
	return js, bucket
}

func (x *sameRoutes) put(n *stage.Node, key, value string) uint64 {
	x.t.Helper()
	_, bucket := x.routes(n)
	revision, err := bucket.Put(soon(x.t), key, []byte(value))
	if err != nil {
		x.t.Fatal(err)
	}
	return revision
}

// same waits until nodes have the table of one revision, not older than the given one,
// and one list of items.
func (x *sameRoutes) same(revision uint64, nodes ...*stage.Node) {
	x.t.Helper()
	stage.AwaitRoutes(x.t, revision, nodes...)
	var lists []string
	eventually(x.t, 20*time.Second, "all have the table of one revision", func() bool {
		var revisions []float64
		lists = nil
		for _, n := range nodes {
			revisions = append(revisions, metric(x.t, n, "weft_route_table_revision"))
			lists = append(lists, askRoutes(x.t, n, "GET", "?limit=1000", "").Body)
		}
		return len(slices.Compact(revisions)) == 1
	})
	for i, list := range lists {
		if list != lists[0] {
			x.t.Errorf("node %d has other routes:\n%.2000s\nand node 1\n%.2000s", i+1, list, lists[0])
		}
	}
}

// leader is the node that leads the bucket.
func (x *sameRoutes) leader() *stage.Node {
	x.t.Helper()
	js, _ := x.routes(x.nodes[0])
	s, err := js.Stream(soon(x.t), "KV_routes")
	if err != nil {
		x.t.Fatal(err)
	}
	name := s.CachedInfo().Cluster.Leader
	for _, n := range x.nodes {
		if n.Config["node.name"] == name {
			return n
		}
	}
	x.t.Fatalf("%q leads the bucket", name)
	return nil
}

func (x *sameRoutes) others(than *stage.Node) []*stage.Node {
	return slices.DeleteFunc(slices.Clone(x.nodes), func(n *stage.Node) bool { return n == than })
}

// A table is made of the bucket alone: whatever happens to nodes, all have the same.
func everyNodeServesTheSameRoutes(t *testing.T, nodes []*stage.Node) {
	x := &sameRoutes{t: t, nodes: nodes, back: stage.StartBackend(t, nil).URL()}

	t.Run("a route of the configuration is created by one of them", func(t *testing.T) {
		for _, n := range x.nodes {
			eventually(t, 20*time.Second, "/seed is served", func() bool { return served(t, n, "/seed") == 200 })
		}
		if h := askRoutes(t, x.nodes[0], "GET", "/seed/history", ""); h.Status != 200 || len(h.Items) != 1 {
			t.Errorf("%d %s", h.Status, h.Body)
		}
		for i, n := range x.nodes {
			if output := strings.Join(n.Process().Output(), "\n"); strings.Contains(output, "of the configuration differs") {
				t.Errorf("node %d finds a difference to what another one has created", i+1)
			}
		}
	})

	t.Run("a put on one node is served by another", func(t *testing.T) {
		_, bucket := x.routes(x.nodes[0])
		var took []time.Duration
		var last uint64
		for i := range 200 {
			path, began := fmt.Sprintf("/moving%d", i), time.Now()
			var err error
			if last, err = bucket.Put(t.Context(), "moving", []byte(document(path, x.back))); err != nil {
				t.Fatal(err)
			}
			for served(t, x.nodes[2], path) != 200 {
				if time.Since(began) > 20*time.Second {
					t.Fatalf("node 3 does not serve %s", path)
				}
			}
			took = append(took, time.Since(began))
			if before := fmt.Sprintf("/moving%d", i-1); served(t, x.nodes[2], before) != 404 {
				t.Errorf("%s is still served", before)
			}
		}
		if slices.Sort(took); took[197] > time.Second {
			t.Errorf("the 99th percentile until a put is served is %v", took[197])
		}
		x.same(last, x.nodes...)
	})

	t.Run("a thousand puts in a second end in one table", func(t *testing.T) {
		js, _ := x.routes(x.nodes[1])
		var stored []jetstream.PubAckFuture
		for i := range 1000 {
			f, err := js.PublishAsync(fmt.Sprintf("$KV.routes.bulk%d", i%100), []byte(document(fmt.Sprintf("/bulk%d/v%d", i%100, i/100), x.back)))
			if err != nil {
				t.Fatal(err)
			}
			stored = append(stored, f)
		}
		newest := uint64(0)
		for _, f := range stored {
			select {
			case ack := <-f.Ok():
				newest = max(newest, ack.Sequence)
			case err := <-f.Err():
				t.Fatal(err)
			}
		}
		x.same(newest, x.nodes...)
		for _, n := range x.nodes {
			if got := served(t, n, "/bulk99/v9"); got != 200 {
				t.Errorf("/bulk99/v9: %d", got)
			}
		}
	})

	t.Run("raw puts that are bad change nothing but the report", func(t *testing.T) { x.badPuts(t) })

	led := x.leader()
	rest := x.others(led)
	t.Run("after the bucket's leader was killed", func(t *testing.T) {
		led.Kill()
		var revision uint64
		eventually(t, time.Minute, "a put is taken", func() bool {
			told := askRoutes(t, rest[0], "PUT", "/survivor", document("/survivor", x.back))
			if told.Status >= 300 && told.Status != http.StatusServiceUnavailable {
				t.Fatalf("%d %s", told.Status, told.Body)
			}
			revision = told.Revision
			return told.Status < 300
		})
		x.same(revision, rest...)
		if got := served(t, rest[1], "/survivor"); got != 200 {
			t.Errorf("/survivor: %d", got)
		}
	})

	t.Run("without a majority the last table serves", func(t *testing.T) {
		alone := rest[0]
		rest[1].Kill()
		before := metric(t, alone, "weft_route_table_revision")
		var changing sync.WaitGroup
		changing.Go(func() {
			if told := askRoutes(t, alone, "PUT", "/nobody", document("/nobody", x.back)); told.Status != http.StatusServiceUnavailable {
				t.Errorf("a put: %d %s", told.Status, told.Body)
			}
		})
		if told := askRoutes(t, alone, "DELETE", "/seed", ""); told.Status != http.StatusServiceUnavailable {
			t.Errorf("a deletion: %d %s", told.Status, told.Body)
		}
		changing.Wait()
		if got := served(t, alone, "/survivor"); got != 200 || metric(t, alone, "weft_route_table_revision") != before {
			t.Errorf("/survivor: %d", got)
		}
		gone := x.others(alone)
		for _, n := range gone {
			n.Launch()
		}
		for _, n := range gone {
			n.AwaitReady(within(t, 2*time.Minute))
			// What it serves when it is ready is all that there was.
			if got := served(t, n, "/survivor"); got != 200 {
				t.Errorf("/survivor at a node that came back: %d", got)
			}
		}
		// Whether the put was stored is unknown; that it is the same everywhere is not.
		_, bucket := x.routes(alone)
		var revision uint64
		eventually(t, time.Minute, "a put is taken", func() bool {
			var err error
			revision, err = bucket.Put(soon(t), "last", []byte(document("/last", x.back)))
			return err == nil
		})
		x.same(revision, x.nodes...)
	})
}

// saysOnce waits until a node's log has a text, which it may have once.
func saysOnce(t *testing.T, n *stage.Node, text string) {
	t.Helper()
	logged(t, n, text)
	if count := strings.Count(strings.Join(n.Process().Output(), "\n"), text); count != 1 {
		t.Errorf("%s says %d times %s", n.Config["node.name"], count, text)
	}
}

// badPuts puts what an operator may get wrong past the admin API.
func (x *sameRoutes) badPuts(t *testing.T) {
	n := x.nodes[1]
	good := x.put(n, "orders", document("/orders", x.back))
	x.put(n, "stock", document("/stock", x.back))
	last := uint64(0)
	puts := []struct{ key, value, field, words string }{
		{"syntax", `{"pattern":`, "", "is no JSON object"},
		{"unknown", strings.Replace(document("/unknown", x.back), "{", `{"patern":"/x",`, 1), "patern", "is unknown"},
		{"same", document("/stock", x.back+"/other"), "pattern", `is that of route "stock"`},
		{"a.b", document("/dotted", x.back), "name", "is not 1 to 64 letters"},
		{"long", strings.Replace(document("/long", x.back), "{", "{"+strings.Repeat(" ", 64<<10+1-len(document("/long", x.back))), 1), "", "is longer than 64 KiB"},
	}
	for _, p := range puts {
		last = x.put(n, p.key, p.value)
	}
	for range 19 {
		last = x.put(n, "orders", "{")
	}
	x.same(last, x.nodes...)
	for i, n := range x.nodes {
		if got := metric(t, n, "weft_route_bad"); got != float64(len(puts)+1) {
			t.Errorf("node %d: %v routes are bad", i+1, got)
		}
		if got := served(t, n, "/orders"); got != 200 {
			t.Errorf("node %d: /orders: %d", i+1, got)
		}
		for _, path := range []string{"/unknown", "/dotted", "/long"} {
			if got := served(t, n, path); got != 404 {
				t.Errorf("node %d: %s: %d", i+1, path, got)
			}
		}
		if told := askRoutes(t, n, "GET", "/orders", ""); told.State != "bad" || told.Serving != good || told.Revision != last || told.Problem == nil {
			t.Errorf("node %d: %s", i+1, told.Body)
		}
		for revision := range uint64(19) {
			level := "WARN"
			if revision >= 14 {
				level = "ERROR"
			}
			line := fmt.Sprintf(`"level":%q,"msg":"route is bad","room":"jetstream","route":"orders","revision":%d,`, level, last-18+revision)
			saysOnce(t, n, line)
		}
		for _, p := range puts {
			told := askRoutes(t, n, "GET", "/"+p.key, "")
			if told.State != "bad" || told.Serving != 0 || told.Problem == nil || told.Problem.Field != p.field || !strings.Contains(told.Problem.Detail, p.words) {
				t.Errorf("node %d: %s is %.300s", i+1, p.key, told.Body)
			}
			saysOnce(t, n, fmt.Sprintf(`"msg":"route is bad","room":"jetstream","route":%q,`, p.key))
		}
	}
	// One more, and it ends; a good one, and it is there again.
	x.same(x.put(n, "orders", "{"), x.nodes...)
	if got := served(t, n, "/orders"); got != 404 {
		t.Errorf("after 20 bad puts in a row: %d", got)
	}
	x.same(x.put(n, "orders", document("/orders", x.back)), x.nodes...)
	if got := served(t, n, "/orders"); got != 200 {
		t.Errorf("after a good put: %d", got)
	}
	_, bucket := x.routes(n)
	for _, p := range puts {
		if err := bucket.Purge(t.Context(), p.key); err != nil {
			t.Error(err)
		}
	}
	eventually(t, 20*time.Second, "no route is bad", func() bool { return metric(t, n, "weft_route_bad") == 0 })
}

// Routes of the configuration are created by whichever node is ready, once, on a fresh
// node, and never over what the bucket had.
func TestRoutesOfTheConfigurationAreThereOnAFreshNode(t *testing.T) {
	back := stage.StartBackend(t, nil).URL()
	seed := func(path string) any {
		return map[string]any{"pattern": "GET " + path, "target": back, "auth": map[string]any{"mode": "none"}}
	}
	n := stage.StartNode(t, stage.Settings(t.TempDir()).With("routes", map[string]any{"orders": seed("/orders"), "stock": seed("/stock")}))
	for _, path := range []string{"/orders", "/stock"} {
		eventually(t, 20*time.Second, path+" is served", func() bool { return served(t, n, path) == 200 })
	}
	if told := askRoutes(t, n, "DELETE", "/stock", ""); told.Status != 204 {
		t.Fatalf("%d %s", told.Status, told.Body)
	}
	if told := askRoutes(t, n, "PUT", "/orders", document("/other", back)); told.Status != 200 {
		t.Fatalf("%d %s", told.Status, told.Body)
	}
	n.Restart()
	eventually(t, 20*time.Second, "the difference is told", func() bool {
		output := strings.Join(n.Process().Output(), "\n")
		return strings.Contains(output, `which counts","room":"jetstream","route":"orders"`) && strings.Contains(output, `stays so","room":"jetstream","route":"stock"`)
	})
	for path, want := range map[string]int{"/stock": 404, "/orders": 404, "/other": 200} {
		if got := served(t, n, path); got != want {
			t.Errorf("%s: %d", path, got)
		}
	}
}
