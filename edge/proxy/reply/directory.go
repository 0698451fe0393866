package reply

import (
	"context"
	"slices"
	"sync"

	"weft/jetstream/rpc"
)

// methodInstance is how nodes ask each other for their instances.
const methodInstance = "reply_instance"

// A directory knows which node an instance is: the process that runs there now. Each node
// has one entry at most, so it is as small as the cluster. All nodes are asked for what it
// does not know, once for all requests that came until then.
type directory struct {
	calls   *rpc.RPC // nil: there are no other nodes
	members func() []string

	mu      sync.Mutex
	nodes   map[string]string // by instance
	waiting *asking           // the question that is not out yet; nil: nobody has one
	running bool
}

// An asking is one question to all nodes, which done answers.
type asking struct {
	done     chan struct{}
	complete bool // all members have answered
}

func (d *directory) open(calls *rpc.RPC, members func() []string, own string) {
	d.calls, d.members, d.nodes = calls, members, map[string]string{}
	rpc.HandleJSON(calls, methodInstance, 64, func(context.Context, struct{}) string { return own })
}

// find returns the node of an instance, "" when no node that answers is it; sure says
// that then all have answered, so that it is nobody's. It waits for 250 ms at most, and
// until ctx ends.
func (d *directory) find(ctx context.Context, instance string) (node string, sure bool) {
	if d.calls == nil {
		return "", true
	}
	d.mu.Lock()
	if node, ok := d.nodes[instance]; ok {
		d.mu.Unlock()
		return node, true
	}
	if d.waiting == nil {
		d.waiting = &asking{done: make(chan struct{})}
	}
	a := d.waiting
	if !d.running {
		d.running = true
		go d.ask()
	}
	d.mu.Unlock()
	select {
	case <-a.done:
	case <-ctx.Done():
		return "", false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.nodes[instance], a.complete
}

// ask asks until nobody has a question.
func (d *directory) ask() {
	for {
		d.mu.Lock()
		a := d.waiting
		d.waiting = nil
		d.running = a != nil
		d.mu.Unlock()
		if a == nil {
			return
		}
		said, coverage, err := rpc.CallAllJSON[string](context.Background(), d.calls, methodInstance, struct{}{})
		d.mu.Lock()
		for _, s := range said {
			d.forgetLocked(s.Node)
			d.nodes[s.Answer] = s.Node
		}
		d.mu.Unlock()
		a.complete = err == nil && (coverage.Complete || d.all(said, coverage))
		close(a.done)
	}
}

// all reports whether each member has answered, and each node that there is a link to. A
// cluster that has fewer members than cluster.size, because one was removed, has no
// complete coverage, but nobody is missing there.
func (d *directory) all(said []rpc.Result[string], coverage rpc.Coverage) bool {
	members := d.members()
	return len(members) > 0 && coverage.Answered >= coverage.Expected && !slices.ContainsFunc(members, func(name string) bool {
		return !slices.ContainsFunc(said, func(s rpc.Result[string]) bool { return s.Node == name })
	})
}

// forget drops what is known of a node, which is gone or another process now.
func (d *directory) forget(node string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forgetLocked(node)
}

func (d *directory) forgetLocked(node string) {
	for instance, of := range d.nodes {
		if of == node {
			delete(d.nodes, instance)
		}
	}
}
