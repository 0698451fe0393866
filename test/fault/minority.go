package fault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/client"
	"weft/test/follow"
	"weft/test/stage"
)

const (
	// noticed bounds how long a node may take until it says that it is cut off, and
	// how long it keeps its connections beyond isolatedFor.
	noticed = 30 * time.Second
	// pinnedTry bounds one try of a publisher that knows one node only.
	pinnedTry = 2 * time.Second
)

var minorities atomic.Int64

// A minority is a node that is about to be cut off from the others and still is
// reached by clients, with a publisher that knows no other node and clients that
// hold connections to it.
type minority struct {
	c    *Cluster
	at   int // the node
	user string
	held []*client.Recorder // connections to the node

	device  *follow.Follower // follows the user, by way of the balancer
	running sync.WaitGroup
	stop    context.CancelFunc

	cutOff   atomic.Bool // the node has said that it is
	mu       sync.Mutex
	accepted []int   // events that the publisher was told are accepted
	refused  int     // tries that failed while the node was cut off
	found    []error // what must not have happened
}

// watchMinority connects all, and publishes from now on.
func watchMinority(ctx context.Context, c *Cluster, at int) (*minority, error) {
	m := &minority{c: c, at: at, user: fmt.Sprintf("minority-%d", minorities.Add(1))}
	token := c.Token(m.user)
	m.device = c.device(m.user, []client.Transport{client.SSE})
	ctx, m.stop = context.WithCancel(ctx)
	m.running.Go(func() { m.device.Run(ctx) })
	err := m.device.AwaitID(ctx)
	for _, kind := range []client.Transport{client.SSE, client.WebSocket} {
		if err != nil {
			break
		}
		var r *client.Recorder
		if r, err = client.Record(ctx, kind, client.Target{URL: c.Nodes[at].URL(), Token: token}); err == nil {
			m.held = append(m.held, r)
			_, err = r.AwaitType(ctx, client.TypeOpen)
		}
	}
	if err != nil {
		m.close()
		return nil, fmt.Errorf("connect to n%d: %w", at+1, err)
	}
	m.running.Go(func() { m.publish(ctx) })
	if err := m.device.AwaitNumber(ctx, 2); err != nil { // both ways in have been used
		m.close()
		return nil, fmt.Errorf("publish at n%d: %w", at+1, err)
	}
	return m, nil
}

// publish tries each event once: what fails may be stored or not.
func (m *minority) publish(ctx context.Context) {
	overNATS, err := newNATS([]*stage.Node{m.c.Nodes[m.at]})
	if err != nil {
		m.fault("connect a publisher to n%d: %w", m.at+1, err)
		return
	}
	defer overNATS.close()
	overHTTP := newAdmin(m.c)
	overHTTP.origin = m.c.Nodes[m.at].AdminURL
	defer overHTTP.close()
	for n := 1; waitfor.Time(ctx, busyEvery) == nil; n++ {
		try, cancel := context.WithTimeout(ctx, pinnedTry)
		before := m.cutOff.Load()
		ok := false
		if n%2 == 0 {
			ok = overNATS.try(try, m.user, n) == nil
		} else {
			status, _, err := overHTTP.post(try, m.user, n)
			ok = err == nil && status == http.StatusAccepted
		}
		cancel()
		m.mu.Lock()
		switch {
		case ok:
			m.accepted = append(m.accepted, n)
			if before && m.cutOff.Load() {
				m.found = append(m.found, fmt.Errorf("n%d accepted event %d while it was cut off", m.at+1, n))
			}
		default: // a try that the cut has caught in the middle, too
			m.refused++
		}
		m.mu.Unlock()
	}
}

func (m *minority) fault(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.found = append(m.found, fmt.Errorf(format, args...))
}

// endure waits, while the node is cut off, until it has noticed and has sent its
// clients elsewhere, and looks at what it does and whether the others stay ready.
func (m *minority) endure(ctx context.Context) error {
	began := time.Now()
	watching, enough := context.WithCancel(ctx)
	var watch sync.WaitGroup
	defer func() { m.cutOff.Store(false); enough(); watch.Wait() }()
	for i := range m.c.Nodes {
		if i != m.at {
			watch.Go(func() { m.watchOther(watching, i) })
		}
	}
	limit, cancel := context.WithTimeout(ctx, noticed)
	defer cancel()
	for !errors.Is(m.c.readiness(limit, m.at), errNotReady) {
		if waitfor.Time(limit, 50*time.Millisecond) != nil {
			m.fault("n%d does not say within %v that it is cut off", m.at+1, noticed)
			return ctx.Err()
		}
	}
	m.cutOff.Store(true)
	m.c.Log("n%d is not ready any more after %v", m.at+1, time.Since(began).Round(time.Millisecond))
	m.knock(ctx)
	limit, cancel = context.WithTimeout(ctx, isolatedFor+noticed)
	defer cancel()
	for _, r := range m.held {
		select {
		case <-r.Done():
		case <-limit.Done():
			m.fault("n%d keeps a connection though it has been cut off for %v", m.at+1, time.Since(began))
		}
	}
	m.c.Log("n%d has sent its clients elsewhere after %v", m.at+1, time.Since(began).Round(time.Millisecond))
	var goodbye client.Ending
	if e := m.held[0].All(); len(e) == 0 || json.Unmarshal(e[len(e)-1].Data, &goodbye) != nil || goodbye.Reason != "isolated" || !goodbye.Reconnect {
		m.fault("n%d's goodbye is %+v, want isolated", m.at+1, goodbye)
	}
	return ctx.Err()
}

// watchOther finds fault with a node of the majority that is not ready.
func (m *minority) watchOther(ctx context.Context, i int) {
	for waitfor.Time(ctx, 200*time.Millisecond) == nil {
		if err := m.c.readiness(ctx, i); errors.Is(err, errNotReady) {
			m.fault("n%d, of the majority, says: %w", i+1, err)
			return
		}
	}
}

// knock asks the node to be let in, which it must refuse, and in a way that lets
// clients come back.
func (m *minority) knock(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, noticed)
	defer cancel()
	target := client.Target{URL: m.c.Nodes[m.at].URL(), Token: m.c.Token(m.user)}
	_, err := client.PollOnce(ctx, target)
	if refused, ok := errors.AsType[*client.StatusError](err); !ok || refused.Status != http.StatusServiceUnavailable || refused.RetryAfter == "" {
		m.fault("n%d answers a poll while it is cut off: %v", m.at+1, err)
	}
	stream, err := client.Open(ctx, client.SSE, target)
	if err != nil {
		m.fault("n%d does not answer 200 to SSE while it is cut off: %w", m.at+1, err)
		return
	}
	defer stream.Close()
	if e, err := stream.Next(); err != nil || e.Type != client.TypeClose || !strings.Contains(string(e.Data), `"reconnect":true`) {
		m.fault("n%d's first word to SSE while it is cut off is %q %s, %v", m.at+1, e.Type, e.Data, err)
	}
	if ws, err := client.Open(ctx, client.WebSocket, target); err == nil {
		if e, err := ws.Next(); err == nil && e.Type == client.TypeOpen {
			m.fault("n%d lets a WebSocket in while it is cut off", m.at+1)
		}
		ws.Close()
	}
}

// finish waits until what was accepted has come, and returns all that must not have
// happened.
func (m *minority) finish(ctx context.Context) []error {
	defer m.close()
	ctx, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	m.mu.Lock()
	want := slices.Clone(m.accepted)
	m.c.Log("n%d's own publisher: %d accepted, %d refused around the cut", m.at+1, len(want), m.refused)
	if m.refused == 0 && len(m.found) == 0 {
		m.found = append(m.found, errors.New("the publisher at the cut node got no error"))
	}
	m.mu.Unlock()
	if len(want) > 0 {
		if err := m.device.AwaitNumber(ctx, want[len(want)-1]); err != nil {
			m.fault("wait for event %d, which n%d had accepted: %w", want[len(want)-1], m.at+1, err)
		}
	}
	entries, _ := m.device.Take()
	seen := follow.Numbers(entries)
	// What was not acknowledged may come or not.
	seen = slices.DeleteFunc(seen, func(n int) bool { return n != follow.Reset && !slices.Contains(want, n) })
	if t := follow.Count(seen, want); !t.Faultless() {
		m.fault("of what n%d had accepted, %d were lost, %d doubled, %d reordered", m.at+1, t.Lost, t.Doubled, t.Reordered)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.found
}

func (m *minority) close() {
	m.stop()
	m.running.Wait()
	for _, r := range m.held {
		r.Close()
	}
}
