// Package routes is the bucket routes in memory, and the table that is made of it. All
// nodes that have read the same revisions have the same table.
package routes

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/route"
	"weft/edge/route/pattern"
	"weft/jetstream/kv"
)

// history is how many versions of a route are kept.
const history = 20

// Errors of changes.
var (
	ErrNotFound = errors.New("there is no route of this name")
	// ErrCondition is returned when a route has another revision than the change is for.
	ErrCondition = errors.New("the route has another revision")
)

// A Config says how the bucket is kept.
type Config struct {
	Replicas int
	MaxBytes int64
	Watch    kv.WatchConfig // but for its bucket
}

// Routes is the bucket and its table. Its methods may be called concurrently.
type Routes struct {
	*kv.Watch[[]Version]
	bucket js.KeyValueConfig
	table  atomic.Pointer[Table]
}

// A Version is what was put under a name, or that it was deleted.
type Version struct {
	Revision uint64
	Gone     bool
	Value    []byte
	Route    *route.Route // nil when the value is bad
}

// A Table is what requests are matched against. It is immutable.
type Table struct {
	// Revision is the newest of the bucket that the table was made of.
	Revision uint64
	Index    *pattern.Index[*route.Route]
	// Routes are all that serve, by name.
	Routes map[string]*route.Route
}

// New makes Routes that are not loaded.
func New(cfg Config, reg prometheus.Registerer) *Routes {
	cfg.Watch.Bucket = js.KeyValueConfig{Bucket: kv.Routes, Description: "routes from the front to the back", History: history,
		Storage: js.FileStorage, Replicas: cfg.Replicas, MaxBytes: cfg.MaxBytes}
	r := &Routes{bucket: cfg.Watch.Bucket}
	r.Watch = kv.NewWatch[[]Version](cfg.Watch, folder{})
	r.OnChange(func(string, []Version, bool) { r.remake() })
	r.table.Store(&Table{Index: pattern.NewIndex[*route.Route](nil)})
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "weft_route_table_revision",
		Help: "Newest revision of the bucket routes that the table of routes is made of."},
		func() float64 { return float64(r.Table().Revision) }))
	return r
}

// Bucket is how the bucket must be.
func (r *Routes) Bucket() js.KeyValueConfig { return r.bucket }

// Table is the newest one; before the bucket is loaded it is empty.
func (r *Routes) Table() *Table { return r.table.Load() }

// remake makes the table.
func (r *Routes) remake() {
	t := &Table{Routes: map[string]*route.Route{}}
	var entries []pattern.Entry[*route.Route]
	for _, name := range slices.Sorted(slices.Values(r.Keys())) {
		versions, _ := r.Get(name)
		for _, v := range slices.Backward(versions) {
			t.Revision = max(t.Revision, v.Revision)
			if v.Gone {
				break
			}
			if v.Route != nil {
				t.Routes[name] = v.Route
				entries = append(entries, pattern.Entry[*route.Route]{Pattern: v.Route.Pattern, Value: v.Route})
				break
			}
		}
	}
	t.Index = pattern.NewIndex(entries)
	r.table.Store(t)
}

type folder struct{}

// Fold implements kv.Folder.
func (folder) Fold(have []Version, c *kv.Change) ([]Version, bool) {
	v := Version{Revision: c.Seq, Gone: c.Gone, Value: c.Value}
	if !c.Gone && !strings.Contains(c.Key, ".") {
		v.Route, _ = route.Parse(c.Key, c.Value)
	}
	return append(slices.Clone(have), v), true
}

// Restore implements kv.Folder.
func (folder) Restore(have []Version) *nats.Msg { return nil }
