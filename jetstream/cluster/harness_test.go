package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"weft/config/testkit/freeport"
	"weft/config/testkit/slow"
	"weft/config/testkit/testlog"
	"weft/config/testkit/waitfor"
	"weft/jetstream/api"
	"weft/jetstream/cluster"
	"weft/jetstream/event"
	"weft/jetstream/kv"
	"weft/jetstream/rpc"
	"weft/jetstream/server"
	"weft/jetstream/store"
)

// A server that is stopped while it makes the store of a copy leaves two goroutines
// of that store behind, in nats-server 2.15.2.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.(*fileStore).flushStreamStateLoop"),
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/ats.Register.func1"))
}

// A member is a server with the stream, the buckets of operators, and a Cluster.
type member struct {
	*cluster.Cluster
	cfg     server.Config
	srv     *server.Server
	client  *api.Client
	control *kv.Account
	rpc     *rpc.RPC
	store   *store.Store
	reg     *prometheus.Registry
	waiting atomic.Pointer[string]

	once sync.Once
	undo []func()
}

// replicas is how many copies there are.
func replicas(cfg server.Config) int {
	if cfg.Cluster == nil {
		return 1
	}
	return 3
}

func newMember(t testing.TB, cfg server.Config) *member {
	log := testlog.To(t)
	m := &member{cfg: cfg, client: new(api.Client), control: new(kv.Account), reg: prometheus.NewRegistry()}
	m.waiting.Store(new(string))
	m.srv = server.New(cfg, log)
	disk := server.NewDisk(&cfg.Node, log, m.reg)
	m.rpc = rpc.New(rpc.Params{Node: cfg.Node.Name, Log: log, Peers: m.srv.Peers, Members: func() int { return m.Links().Known() }}, m.reg)
	m.store = store.New(store.Params{Client: m.client, Token: m.srv.Token(), Limits: event.Limits{MaxAge: time.Hour, MaxPerSubject: 100, MaxBytes: 1 << 30},
		Replicas: replicas(cfg), Log: log, Opened: m.opened, DiskFull: disk.Full, CutOff: func() bool { return m.Links().CutOff() }}, m.reg)
	m.Cluster = cluster.New(cluster.Params{Name: cfg.Node.Name, DataDir: cfg.Node.DataDir, Cluster: cfg.Cluster, Replicas: replicas(cfg), Log: log,
		Server: m.srv, Disk: disk, Client: m.client, Operators: m.control, RPC: m.rpc, Opened: m.opened, Report: func(what string) { m.waiting.Store(&what) },
		Staleness: func() (time.Duration, bool) { return 0, false }}, m.reg)
	return m
}

func (m *member) opened() error {
	if what := m.waiting.Load(); what != nil {
		return fmt.Errorf("%w: %s", api.ErrUnavailable, *what)
	}
	if m.Links().CutOff() {
		return fmt.Errorf("%w: %w", api.ErrUnavailable, api.ErrIsolated)
	}
	return nil
}

// open opens a member as a node is opened. When it fails everything is closed again.
func (m *member) open(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			m.close()
		}
	}()
	lock, err := server.OpenDataDir(m.cfg)
	if err != nil {
		return err
	}
	m.undo = append(m.undo, func() { lock.Close() })
	connect := func(user, name string, use func(*nats.Conn) error, opts ...nats.Option) func() error {
		return func() error {
			conn, err := m.srv.Connect(user, name, opts...)
			if err != nil {
				return err
			}
			m.undo = append(m.undo, conn.Close)
			return use(conn)
		}
	}
	for _, step := range []func() error{
		func() error { return m.srv.Form(ctx, func(string) {}) },
		func() error { m.undo = append(m.undo, m.srv.Stop); return m.srv.Start(ctx) },
		connect(server.NodeUser, "requests", m.client.Open),
		connect(server.NodeUser, "rpc", m.rpc.Open, nats.NoEcho()),
		func() error { m.undo = append(m.undo, m.rpc.Close); return nil },
		connect(server.ControlUser, "control", m.control.Open),
		func() error { m.undo = append(m.undo, m.Cluster.Close); return m.Cluster.Open() },
		func() error { return m.store.Open(m.client.Conn) },
		func() error { return m.Enter(ctx) },
		func() error { return m.store.Ensure(ctx) },
		func() error { return m.ensure(ctx, kv.Blacklist) },
		func() error { return m.ensure(ctx, kv.Routes) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	run, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { m.Run(run); close(ended) }()
	m.undo = append(m.undo, func() { cancel(); <-ended })
	m.waiting.Store(nil)
	return nil
}

func (m *member) ensure(ctx context.Context, bucket string) error {
	return kv.Ensure(ctx, m.control.JS, js.KeyValueConfig{Bucket: bucket, Storage: js.FileStorage, Replicas: replicas(m.cfg), MaxBytes: 1 << 20})
}

// close may be called again.
func (m *member) close() {
	m.once.Do(func() {
		for i := len(m.undo) - 1; i >= 0; i-- {
			m.undo[i]()
		}
	})
}

func (m *member) name() string { return m.cfg.Node.Name }

// ready is nil when the member was opened and is linked to a majority.
func (m *member) ready() error { return errors.Join(m.opened(), m.Ready()) }

func alone(t testing.TB) server.Config {
	return server.Config{Node: server.NodeConfig{Name: "n1", DataDir: t.TempDir(), Listen: "127.0.0.1:0"},
		Buckets: []server.Bucket{{Name: kv.Blacklist}, {Name: kv.Routes}}}
}

// three are the configurations of three nodes that know each other.
func three(t testing.TB) []server.Config {
	t.Helper()
	addrs, err := freeport.Addresses("127.0.0.1", 3)
	if err != nil {
		t.Fatal(err)
	}
	list := make([]server.Config, 3)
	for i := range list {
		list[i] = alone(t)
		list[i].Node.Name = fmt.Sprintf("n%d", i+1)
		c := server.ClusterConfig{Listen: addrs[i], Seeds: addrs, Secret: "s3cret"}
		c.Complete()
		list[i].Cluster = &c
	}
	return list
}

// open opens members side by side; they end with the test.
func open(t testing.TB, configs ...server.Config) []*member {
	t.Helper()
	if configs[0].Cluster != nil {
		slow.Test(t, "elections")
	}
	members := make([]*member, len(configs))
	var opening sync.WaitGroup
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for i, cfg := range configs {
		members[i] = newMember(t, cfg)
		t.Cleanup(members[i].close)
		opening.Go(func() {
			if err := members[i].open(ctx); err != nil {
				t.Errorf("open %s: %v", cfg.Node.Name, err)
			}
		})
	}
	opening.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, m := range members {
		waitfor.True(t, func() bool { return m.cfg.Cluster == nil || m.Links().LinkedFor() > 0 })
	}
	return members
}
