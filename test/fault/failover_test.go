package fault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/client"
	"weft/test/stage"
)

// A loss is a way in which the cluster loses the node that leads the stream.
type loss struct {
	name    string
	network bool          // it takes nodes in networks of their own
	disk    bool          // it takes disks that can hang
	bytes   int           // of a payload
	within  time.Duration // of it events pass from each other node to each other node
	lose    func(c *Cluster, i int) error
	restore func(c *Cluster, i int)
}

var losses = []loss{
	// Raft as nats-server ships it takes four seconds at the least.
	{"kill -9", false, false, 2, 3 * time.Second, func(c *Cluster, i int) error { c.Nodes[i].Kill(); return nil }, func(c *Cluster, i int) { c.Nodes[i].Launch() }},
	{"pause", false, false, 2, 4 * time.Second, func(c *Cluster, i int) error { return c.Nodes[i].Process().Pause() }, func(c *Cluster, i int) { _ = c.Nodes[i].Process().Resume() }},
	cutOff(stage.Both), cutOff(stage.In), cutOff(stage.Out),
	{"a disk that hangs", false, true, 2, 4 * time.Second, func(c *Cluster, i int) error { return errors.Join(c.logs[i].Hang(), c.events[i].Hang()) },
		func(c *Cluster, i int) { c.logs[i].GoOn(); c.events[i].GoOn() }},
}

func cutOff(d stage.Direction) loss {
	return loss{"cut " + d.String(), true, false, 2, 4 * time.Second,
		func(c *Cluster, i int) error { return c.Nodes[i].Place.Cut(d, stage.Peers) }, func(c *Cluster, i int) { c.Nodes[i].Place.Heal() }}
}

// lossTries is how often a loss is tried: two nodes may stand for election at once, and on
// a machine that others use seconds pass by themselves.
const lossTries = 4

// Whichever way the leader of the stream is lost, the others go on without it within a few
// seconds, also while one of the nodes has the times of Raft that earlier versions have.
func TestALeaderThatIsLostIsReplacedInSeconds(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	settings := stage.Config{"node.min_free": floorBytes, "cluster.isolated_for": isolatedFor.String(), "auth.publish": []any{"user.*"}}
	start := stage.StartCluster
	if stage.HasNetwork() {
		start = stage.NewNetwork(t, stage.ClusterSize).StartCluster
	}
	c := &Cluster{Log: logger(t), Token: func(user string) string { return stage.Token(t, user, nil) }}
	if folders := c.mountHanging(t); folders != nil {
		settings["node.data_dir"] = folders
	}
	c.Nodes = start(t, ctx, settings)
	for _, l := range losses {
		t.Run(l.name, func(t *testing.T) {
			if l.network && !stage.HasNetwork() || l.disk && c.events == nil {
				t.Logf("WARNING: not run: there is no private network, or mounting is not permitted")
				return
			}
			c.losesInTime(t, ctx, l)
		})
	}
	t.Run("kill -9 while a node has the times of before", func(t *testing.T) {
		n := c.Nodes[rand.IntN(len(c.Nodes))]
		n.Config.With("cluster.failover", "default")
		n.Restart()
		c.losesInTime(t, ctx, losses[0])
	})
}

// losesInTime loses the leader in one way until the others go on in time.
func (c *Cluster) losesInTime(t *testing.T, ctx context.Context, l loss) {
	t.Helper()
	var took []time.Duration
	for len(took) < lossTries {
		d, err := c.silenceAfter(ctx, l)
		if err != nil {
			t.Fatal(err)
		}
		if took = append(took, d.Round(time.Millisecond)); d <= l.within {
			t.Logf("silent for %v", took)
			return
		}
	}
	t.Errorf("silent for %v, never %v or less", took, l.within)
}

// mountHanging gives each node two disks that can hang: one for what the nodes' streams keep,
// and one for the rest. It returns where the data folders are.
func (c *Cluster) mountHanging(t *testing.T) (folders stage.PerNode) {
	t.Helper()
	for range stage.ClusterSize {
		data := t.TempDir() + "/data"
		logs, err := stage.NewHangingDisk(t, data, 256<<20)
		if err == nil {
			c.logs = append(c.logs, logs)
			var events *stage.HangingDisk
			events, err = stage.NewHangingDisk(t, data+"/jetstream/WEFT", 256<<20)
			c.events = append(c.events, events)
		}
		switch {
		case errors.Is(err, stage.ErrNoMount):
			t.Logf("WARNING: no disk hangs: %v", err)
			c.logs, c.events = nil, nil
			return nil
		case err != nil:
			t.Fatal(err)
		}
		folders = append(folders, data)
	}
	return folders
}

// silenceAfter loses the leader and returns the longest silence between the other nodes
// until events pass in all directions again.
func (c *Cluster) silenceAfter(ctx context.Context, l loss) (time.Duration, error) {
	if err := c.AwaitReady(ctx); err != nil {
		return 0, err
	}
	if err := c.awaitCopies(ctx); err != nil {
		return 0, err
	}
	led, err := c.leader(ctx)
	if err != nil {
		return 0, err
	}
	asked, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	var listeners []*listener
	for i, n := range c.Nodes {
		if i == led {
			continue
		}
		stream, err := client.Open(asked, client.SSE, client.Target{URL: n.URL(), Token: c.Token("ann")})
		if err != nil {
			return 0, err
		}
		listening := &listener{last: map[string]time.Time{}}
		listeners = append(listeners, listening)
		running.Go(func() { listening.listen(stream) })
		defer stream.Close()
		running.Go(func() { c.postOften(asked, n, l.bytes) })
	}
	// awaitFrom waits until each hears of both what was posted after some moment.
	awaitFrom := func(after time.Time) error {
		for _, listening := range listeners {
			for i, n := range c.Nodes {
				if i == led {
					continue
				}
				from := n.Config["node.name"].(string)
				for !listening.heard(from).After(after) {
					if err := listening.ended(); err != nil || waitfor.Time(ctx, 10*time.Millisecond) != nil {
						return fmt.Errorf("wait for an event of %s after %s: %w", from, l.name, errors.Join(err, ctx.Err()))
					}
				}
			}
		}
		return nil
	}
	if err := awaitFrom(time.Now()); err != nil {
		return 0, err
	}
	c.Log("%s: n%d", l.name, led+1)
	lost := time.Now()
	if err := l.lose(c, led); err != nil {
		return 0, err
	}
	defer func() { l.restore(c, led); c.Log("  restored") }()
	if err := waitfor.Time(ctx, longestElection); err != nil {
		return 0, err
	}
	if err := awaitFrom(time.Now()); err != nil {
		return 0, err
	}
	var longest time.Duration
	for _, listening := range listeners {
		longest = max(longest, listening.longestAfter(lost))
	}
	return longest, nil
}

// A listener keeps when events of whom came.
type listener struct {
	mu   sync.Mutex
	err  error                // how its connection ended
	last map[string]time.Time // of the newest event, by its type
	gaps []gap
}

// A gap is between two events of one type.
type gap struct {
	length time.Duration
	until  time.Time
}

func (l *listener) listen(stream client.Stream) {
	for {
		e, err := stream.Next()
		l.mu.Lock()
		if err != nil {
			l.err = err
			l.mu.Unlock()
			return
		}
		now := time.Now()
		if before, ok := l.last[e.Type]; ok {
			l.gaps = append(l.gaps, gap{now.Sub(before), now})
		}
		l.last[e.Type] = now
		l.mu.Unlock()
	}
}

func (l *listener) ended() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// heard returns when the newest event of a type came.
func (l *listener) heard(typ string) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last[typ]
}

// longestAfter is the longest gap that ended after a moment.
func (l *listener) longestAfter(t time.Time) (longest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range l.gaps {
		if g.until.After(t) {
			longest = max(longest, g.length)
		}
	}
	return longest
}

// longestElection is longer than an election takes that goes as it should: what is
// silent before is what is measured.
const longestElection = 5 * time.Second

// postOften posts an event to a node again and again, with its name as the type.
func (c *Cluster) postOften(ctx context.Context, n *stage.Node, size int) {
	posts := http.Client{Timeout: time.Second, Transport: &http.Transport{}}
	defer posts.CloseIdleConnections()
	url := n.AdminURL() + "/_weft/v1/events?user=ann&type=" + n.Config["node.name"].(string)
	body := []byte(`{` + strings.Repeat(" ", size-2) + `}`)
	for waitfor.Time(ctx, busyEvery) == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", fmt.Sprint(rand.Uint64()))
		if token := n.AdminToken(); token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		if answer, err := posts.Do(req); err == nil {
			answer.Body.Close()
		}
	}
}
