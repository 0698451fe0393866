package clientchaos

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weft/test/stage"
)

// The subjects that all pages follow: a busy one, in which a gap shows at once, and a quiet
// one, for which no next event reveals that one was lost. Each page's user has an inbox
// besides, and there is one that is silent but for a flood.
const (
	busy    = "topic.chaos.busy"
	quiet   = "topic.chaos.quiet"
	flooded = "topic.chaos.flooded"

	busyEvery  = 40 * time.Millisecond
	quietEvery = 700 * time.Millisecond
)

// A Load publishes numbered events all the while.
type Load struct {
	nodes   []*stage.Node
	client  *http.Client
	running sync.WaitGroup
	ctx     context.Context
	// Publishers hold it shared for the length of one event; who pauses the load takes it
	// whole.
	gate sync.RWMutex
	// id tells one run's events from another's.
	id int64
	// Published counts events that were accepted.
	Published atomic.Int64

	mu   sync.Mutex
	last map[string]int // by subject
}

func startLoad(t testing.TB, ctx context.Context, nodes []*stage.Node) *Load {
	ctx, stop := context.WithCancel(ctx)
	l := &Load{nodes: nodes, ctx: ctx, id: rand.Int64(), last: map[string]int{},
		client: &http.Client{Timeout: 5 * time.Second}}
	t.Cleanup(func() {
		stop()
		l.running.Wait()
		l.client.CloseIdleConnections()
	})
	return l
}

// Publish publishes to a subject at a pace until the load ends.
func (l *Load) Publish(subject string, every time.Duration) {
	l.running.Go(func() {
		for pause(l.ctx, every/2+rand.N(every)) == nil {
			l.gate.RLock()
			l.next(subject)
			l.gate.RUnlock()
		}
	})
}

// next publishes the next event of a subject, and is done when it is stored.
func (l *Load) next(subject string) {
	l.mu.Lock()
	n := l.last[subject] + 1
	l.mu.Unlock()
	for i := rand.IntN(len(l.nodes)); l.try(l.nodes[i%len(l.nodes)], subject, n) != nil; i++ {
		if pause(l.ctx, 100*time.Millisecond) != nil {
			return
		}
	}
	l.Published.Add(1)
	l.mu.Lock()
	l.last[subject] = n
	l.mu.Unlock()
}

// Flood publishes so many events to a subject, side by side with the rest.
func (l *Load) Flood(subject string, n int) {
	for range n {
		if l.ctx.Err() != nil {
			return
		}
		l.next(subject)
	}
}

func (l *Load) try(n *stage.Node, subject string, number int) error {
	body := strings.NewReader(fmt.Sprintf(`{"n":%d}`, number))
	r, err := http.NewRequestWithContext(l.ctx, http.MethodPost, n.AdminURL()+"/_weft/v1/events?type=chaos.n&subject="+subject, body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", fmt.Sprintf("%d-%d", l.id, number))
	r.Header.Set("Authorization", "Bearer "+n.AdminToken())
	answer, err := l.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		why, _ := io.ReadAll(answer.Body)
		return fmt.Errorf("status %d: %s", answer.StatusCode, why)
	}
	io.Copy(io.Discard, answer.Body)
	return nil
}

// Hold stops publishing until Resume: each event that was begun has been accepted then.
// It returns the last number of each subject.
func (l *Load) Hold() map[string]int {
	l.gate.Lock()
	l.mu.Lock()
	defer l.mu.Unlock()
	last := map[string]int{}
	for subject, n := range l.last {
		last[subject] = n
	}
	return last
}

// Resume publishes again after Hold.
func (l *Load) Resume() { l.gate.Unlock() }
