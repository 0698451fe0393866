package store

import (
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"weft/config/testkit/testlog"
	"weft/jetstream/api"
	"weft/jetstream/event"
)

// A testServer is a server that is restarted on the same folder; connections are made
// anew by themselves.
type testServer struct {
	folder string
	away   atomic.Bool // nobody can connect

	mu  sync.Mutex
	srv *server.Server
}

func (s *testServer) InProcessConn() (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.srv == nil || s.away.Load() {
		return nil, net.ErrClosed
	}
	return s.srv.InProcessConn()
}

func (s *testServer) start() error {
	srv, err := server.NewServer(&server.Options{JetStream: true, StoreDir: s.folder, DontListen: true, NoSigs: true, NoLog: true, MaxPayload: 2 << 20})
	if err != nil {
		return err
	}
	srv.Start()
	srv.ReadyForConnections(10 * time.Second)
	s.mu.Lock()
	s.srv = srv
	s.mu.Unlock()
	return nil
}

func (s *testServer) stop() {
	s.mu.Lock()
	srv := s.srv
	s.srv = nil
	s.mu.Unlock()
	if srv != nil {
		srv.Shutdown()
		srv.WaitForShutdown()
	}
}

// A testStore is a Store on a server of its own.
type testStore struct {
	*Store
	srv    *testServer
	client *api.Client
	full   atomic.Bool
	reg    *prometheus.Registry
}

type testConfig struct {
	folder string
	limits event.Limits
	log    *slog.Logger
}

func newConfig(t testing.TB) testConfig {
	return testConfig{t.TempDir(), event.Limits{MaxAge: time.Hour, MaxPerSubject: 100, MaxBytes: 1 << 30},
		testlog.To(t)}
}

// open opens a Store that ends with the test.
func open(t testing.TB, cfg testConfig) *testStore {
	t.Helper()
	n := &testStore{srv: &testServer{folder: cfg.folder}, client: new(api.Client), reg: prometheus.NewRegistry()}
	n.Store = New(Params{Client: n.client, Token: "n1", Limits: cfg.limits, Replicas: 1, Log: cfg.log,
		Opened: func() error { return nil }, DiskFull: n.full.Load, CutOff: func() bool { return false }}, n.reg)
	t.Cleanup(n.close)
	if err := n.srv.start(); err != nil {
		t.Fatal(err)
	}
	conn, err := nats.Connect("", nats.InProcessServer(n.srv), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond),
		nats.ReconnectJitter(0, 0), nats.ReconnectBufSize(-1))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []func() error{func() error { return n.client.Open(conn) }, func() error { return n.Open(conn) }, func() error { return n.Ensure(t.Context()) }} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// close may be called again.
func (n *testStore) close() {
	if n.client.Conn != nil {
		n.client.Conn.Close()
	}
	n.srv.stop()
}
