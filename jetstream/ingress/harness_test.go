package ingress_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"weft/config/testkit/testlog"
	"weft/jetstream/api"
	"weft/jetstream/event"
	"weft/jetstream/ingress"
	"weft/jetstream/server"
	"weft/jetstream/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A site is a server with the stream and an ingress of each publisher.
type site struct {
	srv   *server.Server
	store *store.Store
	reg   *prometheus.Registry
}

// open opens a site with these users, which ends with the test.
func open(t testing.TB, users ...server.User) *site {
	t.Helper()
	return openWith(t, nil, users...)
}

// openWith is open with rules.
func openWith(t testing.TB, rules ingress.Rules, users ...server.User) *site {
	t.Helper()
	log, reg := testlog.To(t), prometheus.NewRegistry()
	s := &site{reg: reg, srv: server.New(server.Config{Node: server.NodeConfig{Name: "n1", DataDir: t.TempDir(), Listen: "127.0.0.1:0", Users: users}}, log)}
	if err := s.srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.srv.Stop)
	client := new(api.Client)
	s.store = store.New(store.Params{Client: client, Token: s.srv.Token(), Replicas: 1, Log: log,
		Limits: event.Limits{MaxAge: time.Hour, MaxPerSubject: 5000, MaxBytes: 1 << 30},
		Opened: func() error { return nil }, DiskFull: func() bool { return false }, CutOff: func() bool { return false }}, reg)
	conn, err := s.srv.Connect(server.NodeUser, "requests")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	for _, step := range []func() error{func() error { return client.Open(conn) }, func() error { return s.store.Open(conn) }, func() error { return s.store.Ensure(t.Context()) }} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	in := ingress.New(ingress.Params{Dial: s.srv.Dial, Closed: s.store.TakesEvents, MessageID: s.store.MessageID, EventID: s.store.CursorAt, Rules: rules, Log: log}, reg)
	run, cancel := context.WithCancel(context.Background())
	var running, hearing sync.WaitGroup
	for _, p := range s.srv.Publishers() {
		hearing.Add(1)
		running.Go(func() { in.Run(run, p, sync.OnceFunc(hearing.Done)) })
	}
	t.Cleanup(func() { cancel(); running.Wait() })
	hearing.Wait()
	return s
}

// dial connects a client to the NATS port, "" as nobody.
func (s *site) dial(t testing.TB, user string) *nats.Conn {
	t.Helper()
	var opts []nats.Option
	if user != "" {
		opts = append(opts, nats.UserInfo(user, "pw"))
	}
	nc, err := nats.Connect(s.srv.ClientURL(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// all reads what is stored under a subject.
func (s *site) all(t testing.TB, subject string) (list []event.Stored) {
	t.Helper()
	for from := uint64(1); ; {
		b, err := s.store.Read(t.Context(), subject, from, store.MaxBatch, 64<<20)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, b.Messages...)
		if b.Pending == 0 {
			return list
		}
		from = list[len(list)-1].Seq + 1
	}
}
