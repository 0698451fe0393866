// Package routes is the bucket routes in memory, and the table that is made of it.
//
// The table is made of what the bucket retains, and of nothing else: all versions of all
// routes are applied in the order of their revisions. A put that is bad, or whose pattern
// another route has at that time, is skipped; a deletion takes the route away. So all
// nodes that have read the same revisions have the same table, one that has just started
// included, and a bad put never replaces a good version.
//
// It is made anew after each change, changes that come within 20 ms together, and swapped:
// who asks for the table gets one that never changes.
package routes

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	js "github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream/kv"
)

const (
	// history is how many versions of a route are kept.
	history = 20
	// Most is how many routes serve at most.
	Most = 10_000
	// gather is how long changes are waited for, to make one table of all.
	gather = 20 * time.Millisecond
)

// A Config says how the bucket is kept.
type Config struct {
	Replicas int
	MaxBytes int64
	Watch    kv.WatchConfig // but for its bucket
	// Guards say why a route cannot be changed at this moment.
	Guards kv.Guards
}

// Routes is the bucket and its table. Its methods may be called concurrently.
type Routes struct {
	*kv.Watch[[]*Version]
	cfg    Config
	log    *slog.Logger
	bucket js.KeyValueConfig

	changed chan struct{} // has a token when the table is older than the bucket
	making  sync.Mutex    // held while a table is made and told
	fns     []func(*Table)
	table   atomic.Pointer[Table]

	mu      sync.Mutex
	swapped chan struct{} // closed when there is another table
}

// New makes Routes that are not loaded.
func New(cfg Config, reg prometheus.Registerer) *Routes {
	cfg.Watch.Bucket = js.KeyValueConfig{Bucket: kv.Routes, Description: "routes from the front to the back", History: history,
		Storage: js.FileStorage, Replicas: cfg.Replicas, MaxBytes: cfg.MaxBytes}
	r := &Routes{cfg: cfg, log: cfg.Watch.Log, bucket: cfg.Watch.Bucket, changed: make(chan struct{}, 1), swapped: make(chan struct{})}
	r.Watch = kv.NewWatch[[]*Version](cfg.Watch, folder{r})
	r.OnChange(func(string, []*Version, bool) { r.touch() })
	r.table.Store(newMaking(nil).table())
	measure(reg, r.Table)
	return r
}

// Bucket is how the bucket must be.
func (r *Routes) Bucket() js.KeyValueConfig { return r.bucket }

// Table is the newest one; before the bucket is loaded it is empty.
func (r *Routes) Table() *Table { return r.table.Load() }

// Loaded reports whether there is a table of all that the bucket had.
func (r *Routes) Loaded() bool { return r.Table().made }

// Made reports whether a table was made of the bucket; before it is loaded there is none.
func (t *Table) Made() bool { return t.made }

// OnTable registers fn for every table that is made from now on, in their order. It is
// called after the table is in use and with no lock that Table needs, by one goroutine at
// a time; while it runs no other table is made. It must not call OnTable.
func (r *Routes) OnTable(fn func(*Table)) {
	r.making.Lock()
	defer r.making.Unlock()
	r.fns = append(r.fns, fn)
}

func (r *Routes) touch() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// Run follows the bucket and makes tables until ctx ends. It calls loaded when there is
// a first one.
func (r *Routes) Run(ctx context.Context, loaded func()) {
	var following sync.WaitGroup
	defer following.Wait()
	following.Go(func() { r.Watch.Run(ctx, r.touch) })
	first := sync.OnceFunc(loaded)
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.changed:
		}
		if !r.Watch.Loaded() {
			continue
		}
		if r.Loaded() { // the first one comes at once
			wait(ctx, gather)
			select {
			case <-r.changed:
			default:
			}
		}
		r.remake()
		first()
	}
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// remake makes the table and tells of it.
func (r *Routes) remake() {
	r.making.Lock()
	defer r.making.Unlock()
	m := newMaking(r.All())
	t := m.table()
	t.made = true
	m.report(r.log, !r.Table().made)
	r.table.Store(t)
	r.mu.Lock()
	close(r.swapped)
	r.swapped = make(chan struct{})
	r.mu.Unlock()
	for _, fn := range r.fns {
		fn(t)
	}
}

// await returns when the newest table is one that ok takes, or when ctx ends.
func (r *Routes) await(ctx context.Context, ok func(*Table) bool) error {
	for {
		r.mu.Lock()
		swapped := r.swapped
		r.mu.Unlock()
		if ok(r.Table()) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-swapped:
		}
	}
}
