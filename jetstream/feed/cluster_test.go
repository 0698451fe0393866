package feed_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weft/config/testkit/freeport"
	"weft/config/testkit/slow"
	"weft/jetstream"
	"weft/jetstream/api"
	"weft/jetstream/server"
)

// A member is one node of a test's cluster, which can be stopped and started.
type member struct {
	cfg jetstream.Config
	log *slog.Logger

	mu   sync.RWMutex
	site *site // nil while it is down
}

func (m *member) start(ctx context.Context) error {
	s, err := openSite(ctx, m.cfg, m.log)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.site = s
	m.mu.Unlock()
	return nil
}

func (m *member) stop() {
	m.mu.Lock()
	s := m.site
	m.site = nil
	m.mu.Unlock()
	if s != nil {
		s.close()
	}
}

func (m *member) up() *site {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.site
}

func openCluster(t *testing.T, n int) []*member {
	t.Helper()
	slow.Test(t, "nodes to meet and to elect")
	seeds, err := freeport.Addresses("127.0.0.1", n)
	if err != nil {
		t.Fatal(err)
	}
	members := make([]*member, n)
	var opening sync.WaitGroup
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for i := range members {
		cfg := jetstream.Default()
		cfg.Node.Name, cfg.Node.DataDir, cfg.Node.Listen = fmt.Sprintf("n%d", i+1), t.TempDir(), "127.0.0.1:0"
		cfg.Events.MaxPerSubject = 100_000
		c := server.ClusterConfig{}
		c.Listen, c.Seeds, c.Secret = seeds[i], seeds, "s3cret"
		c.Complete()
		cfg.Cluster = &c
		members[i] = &member{cfg: cfg, log: slog.New(slog.NewTextHandler(t.Output(), nil)).With("node", cfg.Node.Name)}
		t.Cleanup(members[i].stop)
		opening.Go(func() {
			if err := members[i].start(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	opening.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return members
}

// TestNothingIsLostWhenNodesStop publishes to three nodes of which one after the
// other is stopped and started, while clients reconnect to any of them.
func TestNothingIsLostWhenNodesStop(t *testing.T) {
	t.Parallel()
	const users, clients, perUser = 10, 20, 150
	members := openCluster(t, 3)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	any := func() *site {
		for ctx.Err() == nil {
			if h := members[rand.IntN(len(members))].up(); h != nil {
				return h
			}
			api.Sleep(ctx, time.Millisecond)
		}
		return members[0].up()
	}
	var publishing atomic.Bool
	publishing.Store(true)
	var started, all, publishers sync.WaitGroup
	started.Add(clients)
	for i := range clients {
		all.Go(func() {
			runClient(t, ctx, any, []string{fmt.Sprintf("user.u%d", i%users), "topic.all"}[:1+i%2], perUser, &started, &publishing)
		})
	}
	started.Wait()
	for w := range 5 {
		publishers.Go(func() {
			for n := 1; n <= perUser; n++ {
				for u := w; u < users; u += 5 {
					mustPublish(t, ctx, any, fmt.Sprintf("user.u%d", u), n)
				}
				if w == 0 {
					mustPublish(t, ctx, any, "topic.all", n)
				}
				api.Sleep(ctx, time.Duration(rand.IntN(150))*time.Millisecond)
			}
		})
	}
	for _, m := range members {
		api.Sleep(ctx, time.Second)
		m.stop()
		api.Sleep(ctx, time.Second)
		if err := m.start(ctx); err != nil {
			t.Fatal(err)
		}
	}
	publishers.Wait()
	publishing.Store(false)
	all.Wait()
}
