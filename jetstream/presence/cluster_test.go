package presence

import (
	"context"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream/rpc"
)

// A cluster is one in memory whose nodes can die, be cut off and be started again, and on
// whose links hints take their time and come in any order.
type cluster struct {
	t     *testing.T
	known int
	// delay is how long a hint takes, less than 0: it is lost; nil: no time.
	delay func() time.Duration
	// answering is how long answers take; nil: a millisecond.
	answering func() time.Duration

	mu    sync.Mutex
	nodes map[string]*testNode
	cut   map[[2]string]bool // pairs of nodes that there is no link between
	links map[[2]string]uint64
	last  uint64
	// mute are nodes that do not answer questions.
	mute  map[string]bool
	asked int // questions of all
	// away are nodes whose hosts answer nothing, open those that are reached although their
	// links are cut, shut those that refuse although they run, behind those that a proxy
	// stands before; removed are no members any more.
	away, open, shut, behind, removed map[string]bool
}

// A testNode is a process of a node.
type testNode struct {
	*Presence
	c     *cluster
	name  string
	stop  func()
	heard func(string, []byte)

	mu      sync.Mutex
	counts  map[string]int
	devices map[string][]Device
	subs    map[string]int
	answer  rpc.Handler
	unlink  rpc.Handler
}

func newCluster(t *testing.T, names ...string) *cluster {
	c := &cluster{t: t, known: len(names), nodes: map[string]*testNode{}, cut: map[[2]string]bool{}, links: map[[2]string]uint64{}, mute: map[string]bool{},
		away: map[string]bool{}, open: map[string]bool{}, shut: map[string]bool{}, behind: map[string]bool{}, removed: map[string]bool{}}
	for _, name := range names {
		c.start(name)
	}
	return c
}

// start starts a process of a node.
func (c *cluster) start(name string) *testNode {
	n := &testNode{c: c, name: name, counts: map[string]int{}, devices: map[string][]Device{}, subs: map[string]int{}}
	n.Presence = New(Params{Node: name, Subscribed: n.subscribed, RPC: n, Links: n.links,
		Members: func() int { return c.known }, Member: func(name string) bool { return !c.is(c.removed, name) }, Listen: hostOf(name) + ":6222"}, prometheus.NewRegistry())
	n.Presence.knock = func(_ context.Context, address string) error { return c.knock(name, address) }
	n.bus = n
	n.Serve(n)
	ctx, cancel := context.WithCancel(c.t.Context())
	done := make(chan struct{})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[name] = n
	for other := range c.nodes {
		c.last++
		c.links[pair(name, other)] = c.last
	}
	go func() { defer close(done); n.Presence.Run(ctx) }()
	n.stop = sync.OnceFunc(func() { cancel(); <-done })
	return n
}

// kill ends a process without a word.
func (c *cluster) kill(name string) {
	c.mu.Lock()
	n := c.nodes[name]
	delete(c.nodes, name)
	c.mu.Unlock()
	n.stop()
}

func (c *cluster) close() {
	for name := range c.nodes {
		c.kill(name)
	}
}

func pair(a, b string) [2]string { return [2]string{min(a, b), max(a, b)} }

// setCut cuts or makes a link.
func (c *cluster) setCut(a, b string, cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut[pair(a, b)] = cut; !cut {
		c.last++
		c.links[pair(a, b)] = c.last
	}
}

// setMute lets a node answer no questions.
func (c *cluster) setMute(name string, mute bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mute[name] = mute
}

// questions is how many have been asked.
func (c *cluster) questions() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}

// linked are the other nodes that a process is linked to.
func (c *cluster) linked(n *testNode) []*testNode {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.nodes[n.name] != n {
		return nil
	}
	var list []*testNode
	for name, other := range c.nodes {
		if other != n && !c.cut[pair(n.name, name)] {
			list = append(list, other)
		}
	}
	return list
}

// hostOf is the address of a node's host.
func hostOf(name string) string { return "10.0.0." + strings.TrimPrefix(name, "n") }

// set puts a node into one of the sets, or takes it out.
func (c *cluster) set(set map[string]bool, name string, in bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	set[name] = in
}

func (c *cluster) is(set map[string]bool, name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return set[name]
}

// knock is what comes of a connection to a node's address for links.
func (c *cluster) knock(from, address string) error {
	name := "n" + strings.TrimSuffix(strings.TrimPrefix(address, "10.0.0."), ":6222")
	c.mu.Lock()
	cut := c.away[name] || c.cut[pair(from, name)] && !c.open[name]
	refused := c.nodes[name] == nil || c.shut[name]
	c.mu.Unlock()
	switch {
	case cut:
		time.Sleep(knockTime)
		return context.DeadlineExceeded
	case refused:
		return &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	return nil
}

func (n *testNode) links() map[string]Link {
	links := map[string]Link{}
	for _, other := range n.c.linked(n) {
		n.c.mu.Lock()
		ip := hostOf(other.name)
		if n.c.behind[other.name] {
			ip = "10.0.0.99"
		}
		links[other.name] = Link{ID: n.c.links[pair(n.name, other.name)], IP: ip}
		n.c.mu.Unlock()
	}
	return links
}

func (n *testNode) subscribed(s string) bool {
	for _, other := range append(n.c.linked(n), n) {
		other.mu.Lock()
		is := other.subs[s] > 0
		other.mu.Unlock()
		if is {
			return true
		}
	}
	return false
}

// set lets a node have so many connections of a subject.
func (n *testNode) set(s string, connections int) {
	n.mu.Lock()
	n.counts[s] = connections
	n.mu.Unlock()
	n.Changed(s)
}

func (n *testNode) add(s string, connections int) {
	n.mu.Lock()
	connections += n.counts[s]
	n.mu.Unlock()
	n.set(s, connections)
}

func (n *testNode) Connections(s string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.counts[s]
}

func (n *testNode) Devices(s string) []Device {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.devices[s])
}

func (n *testNode) Handle(method string, _ int, h rpc.Handler) {
	switch method {
	case methodCounts:
		n.answer = h
	case methodUnlink:
		n.unlink = h
	}
}

func (n *testNode) CallUntil(context.Context, string, []byte, func(rpc.Reply) bool) rpc.Replies {
	panic("not of this test")
}

func (n *testNode) CallAll(ctx context.Context, method string, data []byte) rpc.Replies {
	if method == methodUnlink {
		for _, other := range append(n.c.linked(n), n) {
			other.unlink(ctx, data)
		}
		return rpc.Replies{}
	}
	var r rpc.Replies
	n.c.mu.Lock()
	n.c.asked++
	n.c.mu.Unlock()
	r.List = append(r.List, rpc.Reply{Node: n.name, Data: n.answer(ctx, data)})
	silent := false
	for _, other := range n.c.linked(n) {
		n.c.mu.Lock()
		mute := n.c.mute[other.name]
		n.c.mu.Unlock()
		if mute {
			silent = true
			continue
		}
		r.List = append(r.List, rpc.Reply{Node: other.name, Data: other.answer(ctx, data)})
	}
	pause := time.Millisecond
	if n.c.answering != nil {
		pause = n.c.answering()
	}
	if silent {
		pause = 250 * time.Millisecond
	}
	time.Sleep(pause)
	return r
}

func (n *testNode) Publish(s string, data []byte) error {
	for _, other := range n.c.linked(n) {
		other.mu.Lock()
		heard := other.heard
		if other.subs[s] == 0 {
			heard = nil
		}
		other.mu.Unlock()
		if heard == nil {
			continue
		}
		data := slices.Clone(data)
		var d time.Duration
		if n.c.delay != nil {
			if d = n.c.delay(); d < 0 {
				continue
			}
		}
		time.AfterFunc(d, func() { heard(s, data) })
	}
	return nil
}

func (n *testNode) Subscribe(s string) (drop func(), err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.subs[s]++
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.subs[s]--
	}, nil
}

func (n *testNode) subscriptions(s string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.subs[s]
}

func (n *testNode) watched() int {
	n.watchers.mu.Lock()
	defer n.watchers.mu.Unlock()
	return len(n.watchers.by)
}

func (n *testNode) Flush(context.Context) error { return nil }

func (n *testNode) Run(ctx context.Context, heard func(string, []byte)) {
	n.mu.Lock()
	n.heard = heard
	n.mu.Unlock()
	<-ctx.Done()
	n.mu.Lock()
	n.heard = nil
	n.mu.Unlock()
}
