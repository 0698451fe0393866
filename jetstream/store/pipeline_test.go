package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/nats-io/nats.go"

	"weft/config/testkit/slow"
	"weft/config/testkit/testlog"
	"weft/jetstream/api"
	"weft/jetstream/event"
)

// marks records what a pipeline told.
type marks struct {
	mu      sync.Mutex
	last    int64
	calls   int
	refused []int64
	back    bool // a mark was not higher than the one before
}

func (m *marks) config(window int) PipelineConfig {
	m.last = -1
	return PipelineConfig{Window: window,
		Stored: func(mark int64, _ Place) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.back = m.back || mark <= m.last
			m.last = mark
			m.calls++
		},
		Refused: func(_ event.Event, mark int64, _ error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.refused = append(m.refused, mark)
		}}
}

func openPipeline(t *testing.T, n *testStore, cfg PipelineConfig) *Pipeline {
	t.Helper()
	p, err := n.NewPipeline(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func numberedEvent(subject string, i int) event.Event {
	return event.Event{Subject: subject, Data: fmt.Append(nil, i), ID: event.RecordID("k", "t", 0, int64(i))}
}

// stored reads all of a subject.
func stored(t *testing.T, n *testStore, subject string) []string {
	t.Helper()
	var list []string
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for from := uint64(1); ; {
		b, err := n.Read(ctx, subject, from, MaxBatch, 1<<20)
		if errors.Is(err, api.ErrUnavailable) && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond) // the connection is on its way back
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range b.Messages {
			list, from = append(list, string(m.Data)), m.Seq+1
		}
		if b.Pending == 0 {
			return list
		}
	}
}

func checkNumbers(t *testing.T, list []string, n int) {
	t.Helper()
	if len(list) != n {
		t.Errorf("%d events are stored, want %d", len(list), n)
	}
	for i, s := range list {
		if s != fmt.Sprint(i) {
			t.Fatalf("event %d is %s", i, s)
		}
	}
}

func TestAPipelineStoresInOrderAndTellsTheFrontier(t *testing.T) {
	cfg := newConfig(t)
	cfg.limits.MaxPerSubject = 10_000
	n := open(t, cfg)
	var m marks
	p := openPipeline(t, n, m.config(64))
	for i := range 1000 {
		if i%10 == 3 { // a record for nobody
			if err := p.Mark(t.Context(), int64(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Put(t.Context(), numberedEvent("user.ann", i), int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.mu.Lock()
	if m.last != 999 {
		t.Errorf("frontier is %d, want 999", m.last)
	}
	m.mu.Unlock()
	checkNumbers(t, stored(t, n, "user.ann"), 1000)
}

func TestAPipelineLosesAndReordersNothingWhenTheServerRestarts(t *testing.T) {
	slow.Test(t, "restarts of the server")
	cfg := newConfig(t)
	cfg.limits.MaxPerSubject = 100_000
	n := open(t, cfg)
	var m marks
	p := openPipeline(t, n, m.config(256))
	const total = 20_000
	restarts := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for range restarts {
			n.srv.stop()
			if err := n.srv.start(); err != nil {
				t.Error(err)
			}
		}
	})
	for i := range total {
		if i%6000 == 3000 {
			restarts <- struct{}{}
		}
		if err := p.Put(t.Context(), numberedEvent("user.ann", i), int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	close(restarts)
	wg.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if m.last != total-1 || m.back || len(m.refused) > 0 {
		t.Errorf("frontier %d, went back %v, refused %v", m.last, m.back, m.refused)
	}
	checkNumbers(t, stored(t, n, "user.ann"), total)
}

func TestAnAbandonedPipelineTellsAndSendsNothingMore(t *testing.T) {
	n := open(t, newConfig(t))
	var m marks
	p := openPipeline(t, n, m.config(4))
	n.full.Store(true) // nothing is stored, so the window fills
	for i := range 4 {
		if err := p.Put(t.Context(), numberedEvent("user.ann", i), int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	refused := make(chan error, 1)
	go func() { refused <- p.Put(context.Background(), numberedEvent("user.ann", 4), 4) }()
	p.Abandon()
	if err := <-refused; !errors.Is(err, ErrAbandoned) {
		t.Errorf("Put after Abandon: %v", err)
	}
	n.full.Store(false)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if list := stored(t, n, "user.ann"); len(list) > 0 || m.calls > 0 {
		t.Errorf("stored %v, told %d times", list, m.calls)
	}
}

func TestAPipelineWaitsForDiskSpace(t *testing.T) {
	n := open(t, newConfig(t))
	var m marks
	p := openPipeline(t, n, m.config(16))
	n.full.Store(true)
	for i := range 10 {
		if err := p.Put(t.Context(), numberedEvent("user.ann", i), int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.Publish(t.Context(), event.Event{Subject: "user.ann"}); !errors.Is(err, api.ErrDiskFull) {
		t.Errorf("publish on a full disk: %v", err)
	}
	n.full.Store(false)
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkNumbers(t, stored(t, n, "user.ann"), 10)
}

func TestAPipelineRepairsOnceWhenTheLeaderChangesMeanwhile(t *testing.T) {
	n := open(t, newConfig(t))
	var m marks
	p := openPipeline(t, n, m.config(512))
	n.full.Store(true)
	for i := range 500 {
		if err := p.Put(t.Context(), numberedEvent("user.ann", i), int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	n.Leader().Change()
	n.full.Store(false)
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var repairs dto.Metric
	if err := n.Publisher.metrics.repairs.Write(&repairs); err != nil {
		t.Fatal(err)
	}
	if times := repairs.Counter.GetValue(); times != 1 {
		t.Errorf("%v repairs", times)
	}
	if m.last != 499 {
		t.Errorf("told %d, want 499", m.last)
	}
}

func TestAPipelineThatBreaksAgainWhileItGoesOnBeginsANewRepair(t *testing.T) {
	slow.Test(t, "two long repairs")
	var logged testlog.Record
	cfg := newConfig(t)
	cfg.log = testlog.And(t, &logged)
	n := open(t, cfg)
	var m marks
	c := m.config(16)
	told := c.Stored
	c.Stored = func(mark int64, at Place) {
		if told(mark, at); mark == 0 { // what follows cannot be sent, until somebody can connect again
			n.srv.away.Store(true)
			if err := n.client.Conn.ForceReconnect(); err != nil {
				t.Error(err)
			}
		}
	}
	p := openPipeline(t, n, c)
	waits := func() (times int) {
		for _, line := range logged.Lines() {
			if strings.Contains(line, "store does not take events") {
				times++
			}
		}
		return times
	}
	n.full.Store(true)
	for i := range 10 {
		if err := p.Put(t.Context(), numberedEvent("user.ann", i), int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	for repair := 1; repair <= 2; repair++ {
		for deadline := time.Now().Add(30 * time.Second); waits() < repair; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d of %d repairs say that they wait", waits(), repair)
			}
		}
		n.full.Store(false)
	}
	n.srv.away.Store(false)
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkNumbers(t, stored(t, n, "user.ann"), 10)
}

func TestAPipelineStoresNothingTwiceAfterTheStreamForgotTheIDs(t *testing.T) {
	n := open(t, newConfig(t))
	cfg := n.config(n.StreamID(), *n.secret.Load())
	cfg.Duplicates = 100 * time.Millisecond
	if _, err := n.client.JS.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	var m marks
	p := openPipeline(t, n, m.config(64))
	p.mu.Lock()
	p.trust = stallAfter / 2
	p.mu.Unlock()
	for i := range 50 {
		if err := p.Put(t.Context(), numberedEvent("user.ann", i), int64(i)); err != nil {
			t.Fatal(err)
		}
		p.mu.Lock()
		p.sending++ // the answer is lost
		p.mu.Unlock()
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkNumbers(t, stored(t, n, "user.ann"), 50)
}

func BenchmarkPipeline(b *testing.B) {
	cfg := newConfig(b)
	n := open(b, cfg)
	p, err := n.NewPipeline(PipelineConfig{})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	data := make([]byte, 256)
	for i := 0; b.Loop(); i++ {
		s := fmt.Sprintf("user.u%d", i%10000)
		if err := p.Put(b.Context(), event.Event{Subject: s, Data: data, ID: event.RecordID("bench", "orders", 0, int64(i))}, int64(i)); err != nil {
			b.Fatal(err)
		}
	}
	if err := p.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// A tick waits behind what other connections have sent; meanwhile the store takes that.
func TestAStoreThatTakesEventsIsNotSilent(t *testing.T) {
	n := open(t, newConfig(t))
	n.Ticker.acknowledged.Store(1)
	n.Ticker.made = time.Now().Add(-time.Hour)
	if n.Silence() < time.Minute {
		t.Fatalf("silent for %v", n.Silence())
	}
	p := openPipeline(t, n, PipelineConfig{})
	if err := errors.Join(p.Put(t.Context(), numberedEvent("user.ann", 0), 0), p.Flush(t.Context())); err != nil {
		t.Fatal(err)
	}
	if n.Silence() > time.Minute {
		t.Errorf("silent for %v, though an event was stored", n.Silence())
	}
	// What is refused says nothing of the disk.
	n.Ticker.acknowledged.Store(1)
	p.answer(&nats.Msg{Subject: p.prefix + "0.0", Data: []byte(`{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"},"stream":"EVENTS","seq":0}`)})
	if n.Silence() < time.Minute {
		t.Error("a refusal counts as stored")
	}
}
