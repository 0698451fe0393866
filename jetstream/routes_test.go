package jetstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	js "github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"weft/config"
	"weft/config/testkit/slow"
	"weft/config/testkit/testlog"
	"weft/config/testkit/waitfor"
	"weft/jetstream/api"
	"weft/jetstream/kv"
	"weft/jetstream/routes"
)

func routeDocument(pattern string) []byte {
	return fmt.Appendf(nil, `{"pattern":%q,"target":"http://127.0.0.1:1","auth":{"mode":"none"}}`, pattern)
}

// rawPut puts what an operator's key-value library would.
func rawPut(t *testing.T, n *Node, key string, value []byte) uint64 {
	t.Helper()
	bucket, err := asOperator(t, n).KeyValue(t.Context(), kv.Routes)
	if err != nil {
		t.Fatal(err)
	}
	revision, err := bucket.Put(t.Context(), key, value)
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

func putRoute(t *testing.T, n *Node, name, pattern string) routes.Item {
	t.Helper()
	item, _, err := n.Routes().Put(t.Context(), name, routeDocument(pattern), routes.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	return item
}

// tableOf is what serves and what is bad, without revisions.
func tableOf(n *Node) string {
	var all []string
	for _, i := range n.Routes().List("", routes.Most) {
		served := ""
		if r := n.Routes().Table().Routes[i.Name]; r != nil {
			served = r.Pattern.String()
		}
		all = append(all, i.Name+"="+served+" "+i.State())
	}
	return strings.Join(all, ", ")
}

func TestARouteIsServedWhenPutReturns(t *testing.T) {
	t.Parallel()
	n := open(t, testConfig(t))
	r := n.Routes()
	ctx := t.Context()
	first := putRoute(t, n, "orders", "GET /a")
	if got := r.Table().Routes["orders"]; got == nil || got.Revision != first.Revision || r.Table().Revision != first.Revision {
		t.Fatalf("%+v", r.Table())
	}
	item, created, err := r.Put(ctx, "orders", routeDocument("GET /b"), routes.Condition{Revision: first.Revision})
	if err != nil || created || item.Serving != item.Revision || r.Table().Routes["orders"].Pattern.String() != "GET /b" {
		t.Errorf("%+v, %v, %v", item, created, err)
	}
	for name, c := range map[string]struct {
		route, pattern string
		condition      routes.Condition
		want           error
	}{
		"an old revision":       {"orders", "/c", routes.Condition{Revision: first.Revision}, routes.ErrCondition},
		"it is there":           {"orders", "/c", routes.Condition{Absent: true}, routes.ErrCondition},
		"it is not there":       {"other", "/c", routes.Condition{Present: true}, routes.ErrCondition},
		"a revision of nothing": {"other", "/c", routes.Condition{Revision: 7}, routes.ErrCondition},
	} {
		if _, _, err := r.Put(ctx, c.route, routeDocument(c.pattern), c.condition); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := r.DryRun(c.route, routeDocument(c.pattern), c.condition); !errors.Is(err, c.want) {
			t.Errorf("%s, dry: %v", name, err)
		}
	}
	var taken *routes.TakenError
	if _, _, err := r.Put(ctx, "other", routeDocument("GET /b"), routes.Condition{}); !errors.As(err, &taken) || taken.Route != "orders" {
		t.Error(err)
	}
	var bad *routes.BadError
	if _, _, err := r.Put(ctx, "other", []byte("{"), routes.Condition{}); !errors.As(err, &bad) {
		t.Error(err)
	}
	if _, err := r.DryRun("other", routeDocument("/dry"), routes.Condition{}); err != nil {
		t.Error(err)
	}
	if got := tableOf(n); got != "orders=GET /b serving" {
		t.Errorf("what was refused has changed something: %s", got)
	}

	back, _, err := r.Rollback(ctx, "orders", first.Revision, routes.Condition{Revision: item.Revision})
	if err != nil || r.Table().Routes["orders"].Pattern.String() != "GET /a" {
		t.Errorf("%+v, %v", back, err)
	}
	if _, _, err := r.Rollback(ctx, "orders", 999, routes.Condition{}); !errors.Is(err, routes.ErrNoVersion) {
		t.Error(err)
	}
	if _, _, err := r.Rollback(ctx, "other", 1, routes.Condition{}); !errors.Is(err, routes.ErrNotFound) {
		t.Error(err)
	}
	if err := r.Delete(ctx, "orders", routes.Condition{Revision: item.Revision}); !errors.Is(err, routes.ErrCondition) {
		t.Error(err)
	}
	if err := r.Delete(ctx, "orders", routes.Condition{}); err != nil || r.Table().Routes["orders"] != nil {
		t.Error(err)
	}
	if err := r.Delete(ctx, "orders", routes.Condition{}); !errors.Is(err, routes.ErrNotFound) {
		t.Error(err)
	}
	history := r.History("orders")
	if len(history) != 4 || !history[0].Gone || history[1].Revision != back.Revision || history[3].Revision != first.Revision ||
		!bytes.Equal(history[3].Document, history[1].Document) || history[0].Modified.IsZero() {
		t.Errorf("%+v", history)
	}
	// What was deleted is rolled back, and is new then.
	if _, created, err := r.Rollback(ctx, "orders", first.Revision, routes.Condition{Absent: true}); err != nil || !created {
		t.Error(created, err)
	}
}

// A node whose table is not in use yet is not ready.
func TestANodeIsReadyWhenItsTableIs(t *testing.T) {
	t.Parallel()
	n := New(testConfig(t), testlog.To(t), prometheus.NewRegistry())
	told, use, opened := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	n.Routes().OnTable(func(*routes.Table) { close(told); <-use })
	if n.Routes().Loaded() || n.Routes().Table().Made() {
		t.Error("there is a table before there is a bucket")
	}
	go func() { opened <- n.Open(t.Context()) }()
	<-told
	waitfor.True(t, func() bool { err := n.Ready(); return err != nil && err.Error() == "the routes are being loaded" })
	select {
	case err := <-opened:
		t.Errorf("it is open: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	if _, _, err := n.Routes().Put(t.Context(), "a", routeDocument("/a"), routes.Condition{}); !errors.Is(err, api.ErrUnavailable) {
		t.Errorf("put: %v", err)
	}
	close(use)
	if err := <-opened; err != nil || n.Ready() != nil {
		t.Errorf("%v, %v", err, n.Ready())
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
}

// What many do at once is what some order of it would have done: one of those that want
// a pattern gets it, and of those that want to create a name one does.
func TestOfManyPutsAtOnceOneWins(t *testing.T) {
	t.Parallel()
	n := open(t, testConfig(t))
	var mu sync.Mutex
	outcomes := map[string]int{}
	var putting sync.WaitGroup
	for i := range 12 {
		putting.Go(func() {
			_, _, err := n.Routes().Put(t.Context(), fmt.Sprintf("r%d", i), routeDocument("/same"), routes.Condition{})
			_, _, other := n.Routes().Put(t.Context(), "name", routeDocument(fmt.Sprintf("/own%d", i)), routes.Condition{Absent: true})
			var taken *routes.TakenError
			mu.Lock()
			defer mu.Unlock()
			outcomes[fmt.Sprint("pattern ", err == nil, errors.As(err, &taken))]++
			outcomes[fmt.Sprint("name ", other == nil, errors.Is(other, routes.ErrCondition))]++
		})
	}
	putting.Wait()
	if outcomes["pattern true false"] != 1 || outcomes["pattern false true"] != 11 || outcomes["name true false"] != 1 || outcomes["name false true"] != 11 {
		t.Error(outcomes)
	}
	waitfor.True(t, func() bool { return n.Routes().Table().Bad == 0 && len(n.Routes().Table().Routes) == 2 })
}

// Whoever finds a way to remove the bucket changes no route: it is made anew from what
// the nodes remember, what is bad and what was deleted included.
func TestRoutesSurviveTheirBucket(t *testing.T) {
	slow.Test(t, "watches to notice")
	t.Parallel()
	for _, size := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d nodes", size), func(t *testing.T) {
			t.Parallel()
			nodes := openSome(t, size)
			putRoute(t, nodes[0], "orders", "/old")
			putRoute(t, nodes[0], "orders", "/orders")
			putRoute(t, nodes[0], "taker", "/old")
			putRoute(t, nodes[0], "gone", "/gone")
			if err := nodes[0].Routes().Delete(t.Context(), "gone", routes.Condition{}); err != nil {
				t.Fatal(err)
			}
			rawPut(t, nodes[0], "orders", []byte("{"))
			rawPut(t, nodes[0], "rival", routeDocument("/orders"))
			rawPut(t, nodes[0], "never", []byte("{"))
			const want = "never= bad, orders=/orders bad, rival= bad, taker=/old serving"
			same := func() bool {
				return !slices.ContainsFunc(nodes, func(n *Node) bool { return tableOf(n) != want })
			}
			waitfor.True(t, same)
			var mu sync.Mutex
			lost := 0
			for _, n := range nodes {
				n.Routes().OnTable(func(table *routes.Table) {
					if table.Routes["orders"] == nil || table.Routes["taker"] == nil {
						mu.Lock()
						lost++
						mu.Unlock()
					}
				})
			}
			before := nodes[0].Routes().Table().Revision
			if err := nodes[0].control.JS.DeleteStream(t.Context(), kv.Stream(kv.Routes)); err != nil {
				t.Fatal(err)
			}
			waitfor.True(t, func() bool {
				for _, n := range nodes {
					if table := n.Routes().Table(); table.Revision == before || table.Revision != nodes[0].Routes().Table().Revision || n.Routes().Remaking() {
						return false
					}
				}
				return same()
			})
			if lost > 0 {
				t.Errorf("%d tables lacked a route", lost)
			}
			for _, n := range nodes {
				if h := n.Routes().History("gone"); len(h) != 1 || !h[0].Gone {
					t.Errorf("the trace of what was deleted is gone: %+v", h)
				}
			}
			putRoute(t, nodes[0], "later", "/later")
			for _, n := range nodes {
				waitfor.True(t, func() bool { return n.Routes().Table().Routes["later"] != nil })
			}
		})
	}
}

// What an operator purges is purged, also in a way that leaves no trace; what a change of
// the bucket costs is put back.
func TestAPurgeStaysAndAChangedBucketIsMended(t *testing.T) {
	slow.Test(t, "watches to notice")
	t.Parallel()
	n := open(t, testConfig(t))
	putRoute(t, n, "a", "/a")
	putRoute(t, n, "b", "/b")
	stream, err := n.control.JS.Stream(t.Context(), kv.Stream(kv.Routes))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), js.WithPurgeSubject("$KV.routes.a")); err != nil {
		t.Fatal(err)
	}
	waitfor.True(t, func() bool { return tableOf(n) == "b=/b serving" })
	putRoute(t, n, "c", "/c")
	if _, _, err := n.Routes().Put(t.Context(), "a", routeDocument("/a"), routes.Condition{Absent: true}); err != nil {
		t.Error(err)
	}
	cfg := stream.CachedInfo().Config
	cfg.MaxMsgs = 1
	if _, err := n.control.JS.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	waitfor.True(t, func() bool {
		info, err := stream.Info(t.Context())
		return err == nil && info.Config.MaxMsgs <= 0 && info.State.Msgs == 3 && tableOf(n) == "a=/a serving, b=/b serving, c=/c serving"
	})
}

func TestSeedsAreCreatedOnceAndTheBucketWins(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t)
	cfg.Routes = routes.Seeds{"orders": config.JSON(routeDocument("/orders")), "gone": config.JSON(routeDocument("/gone")), "changed": config.JSON(routeDocument("/seed"))}
	n := New(cfg, testlog.To(t), prometheus.NewRegistry())
	if err := n.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitfor.True(t, func() bool { return len(n.Routes().Table().Routes) == 3 })
	if err := n.Routes().Delete(t.Context(), "gone", routes.Condition{}); err != nil {
		t.Fatal(err)
	}
	putRoute(t, n, "changed", "/changed")
	putRoute(t, n, "holder", "/new")
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	var log testlog.Record
	cfg.Routes["rival"] = config.JSON(routeDocument("/new"))
	cfg.Routes["new"] = config.JSON(routeDocument("/newer"))
	n = New(cfg, testlog.And(t, &log), prometheus.NewRegistry())
	if err := n.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	waitfor.True(t, func() bool { return log.Has("route=rival") && n.Routes().Table().Routes["new"] != nil })
	if got := tableOf(n); got != "changed=/changed serving, holder=/new serving, new=/newer serving, orders=/orders serving" {
		t.Error(got)
	}
	for _, want := range []string{"differs from the bucket's, which counts\" route=changed", "was deleted from the bucket, and stays so\" route=gone",
		"its pattern is taken\" route=rival by=holder"} {
		if strings.Count(strings.Join(log.Lines(), "\n"), want) != 1 {
			t.Errorf("not said once: %s", want)
		}
	}
	if log.Has("differs from the bucket's, which counts\" route=orders") {
		t.Error("a seed that is as it was is said to differ")
	}
}

// Without a majority a change says that it is unknown whether it was stored, and the last
// table serves on.
func TestWithoutAMajorityTheLastTableServes(t *testing.T) {
	slow.Test(t, "waits for the links to be missed")
	t.Parallel()
	nodes := openCluster(t, clusterConfigs(t, 3, 3))
	putRoute(t, nodes[0], "orders", "/orders")
	for _, n := range nodes {
		waitfor.True(t, func() bool { return n.Routes().Table().Routes["orders"] != nil })
	}
	for _, n := range nodes[1:] {
		n.srv.Stop()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
	defer cancel()
	if _, _, err := nodes[0].Routes().Put(ctx, "late", routeDocument("/late"), routes.Condition{}); !errors.Is(err, api.ErrUnavailable) {
		t.Error(err)
	}
	if err := nodes[0].Routes().Delete(ctx, "orders", routes.Condition{}); !errors.Is(err, api.ErrUnavailable) {
		t.Error(err)
	}
	if got := tableOf(nodes[0]); got != "orders=/orders serving" {
		t.Error(got)
	}
}
