package clientchaos

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/stage"
)

// The subjects that all pages follow: a busy one, in which a gap shows at once, a quiet one,
// for which no next event reveals that one was lost, and one that is silent but for a flood.
// Each page's user has an inbox besides.
const (
	busy    = "topic.chaos.busy"
	quiet   = "topic.chaos.quiet"
	flooded = "topic.chaos.flooded"

	quietEvery = 700 * time.Millisecond
	// floodOf is how many events are published at once.
	floodOf = 100
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

	mu       sync.Mutex
	last     map[string]int    // by subject
	accepted map[int]time.Time // when events of the busy subject were
}

func startLoad(t testing.TB, ctx context.Context, nodes []*stage.Node) *Load {
	ctx, stop := context.WithCancel(ctx)
	l := &Load{nodes: nodes, ctx: ctx, id: rand.Int64(), last: map[string]int{}, accepted: map[int]time.Time{},
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
		for waitfor.Time(l.ctx, every/2+rand.N(every)) == nil {
			l.gate.RLock()
			at, err := l.next(l.ctx, subject, 1)
			if err == nil && subject == busy {
				l.mu.Lock()
				l.accepted[l.last[subject]] = at
				l.mu.Unlock()
			}
			l.gate.RUnlock()
		}
	})
}

// Flood publishes so many events at least to a subject, which nobody else publishes to.
func (l *Load) Flood(ctx context.Context, subject string, n int) error {
	for ; n > 0; n -= floodOf {
		if _, err := l.next(ctx, subject, floodOf); err != nil {
			return err
		}
	}
	return nil
}

// next publishes the next events of a subject, at most floodOf. It tries until they are
// stored, and returns when they were.
func (l *Load) next(ctx context.Context, subject string, many int) (time.Time, error) {
	l.mu.Lock()
	first := l.last[subject] + 1
	l.mu.Unlock()
	for i := rand.IntN(len(l.nodes)); ; i++ {
		err := l.try(ctx, l.nodes[i%len(l.nodes)], subject, first, many)
		if err == nil {
			break
		}
		if waitfor.Time(ctx, 100*time.Millisecond) != nil {
			return time.Time{}, fmt.Errorf("publish event %d of %s: %w", first, subject, err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last[subject] = first + many - 1
	return time.Now(), nil
}

// try asks a node to store events. Each has an id of its own, so that one that is sent twice
// is stored once.
func (l *Load) try(ctx context.Context, n *stage.Node, subject string, first, many int) error {
	var all []string
	for i := range many {
		all = append(all, fmt.Sprintf(`{"specversion":"1.0","source":"chaos/%d","id":"%d","type":"chaos.n","data":{"n":%d}}`, l.id, first+i, first+i))
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, n.AdminURL()+"/_weft/v1/events?subject="+subject, strings.NewReader("["+strings.Join(all, ",")+"]"))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/cloudevents-batch+json")
	r.Header.Set("Authorization", "Bearer "+n.AdminToken())
	answer, err := l.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	why, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusAccepted {
		return fmt.Errorf("status %d: %s", answer.StatusCode, why)
	}
	return nil
}

// Last is the number of the last event of a subject.
func (l *Load) Last(subject string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last[subject]
}

// Hold stops publishing until Resume: each event that was begun has been accepted then. It
// returns the last number of each subject.
func (l *Load) Hold() map[string]int {
	l.gate.Lock()
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.last)
}

// Accepted is when events of the busy subject were accepted, by number, since it was asked
// before.
func (l *Load) Accepted() map[int]time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.accepted
	l.accepted = map[int]time.Time{}
	return all
}

// Resume publishes again after Hold.
func (l *Load) Resume() { l.gate.Unlock() }
