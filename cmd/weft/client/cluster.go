package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Nodes is what a cluster says of itself: the answer of GET /_weft/v1/nodes.
type Nodes struct {
	Items    []NodeStatus  `json:"items"`
	Groups   []GroupStatus `json:"groups,omitempty"`
	Missing  []string      `json:"missing,omitempty"`
	Answered int           `json:"nodes_answered"`
	Expected int           `json:"nodes_expected"`
	Known    int           `json:"nodes_known"`
	Complete bool          `json:"complete"`
}

// NodeStatus is a node that answered.
type NodeStatus struct {
	Name        string    `json:"name"`
	Ready       bool      `json:"ready"`
	Reason      string    `json:"reason,omitempty"` // why it is not
	Version     string    `json:"version"`
	Connections int       `json:"connections"`
	Started     time.Time `json:"started"`
	Linked      []string  `json:"linked,omitempty"`
	// Staleness is how old its copy of the blacklist may be.
	Staleness *float64 `json:"blacklist_staleness_seconds,omitempty"`
}

// GroupStatus is the stream, a bucket or the members ("meta"): who leads and who
// has a copy.
type GroupStatus struct {
	Name     string          `json:"name"`
	Leader   string          `json:"leader"` // "": nobody
	Replicas []ReplicaStatus `json:"replicas"`
}

// ReplicaStatus is a copy, as the leader of its group sees it.
type ReplicaStatus struct {
	Node    string `json:"node"`
	Current bool   `json:"current"`
	Offline bool   `json:"offline"`
	Lag     uint64 `json:"lag"` // changes that it is behind
}

// groupMeta is the group of all members.
const groupMeta = "meta"

// copies is how many copies a cluster has of everything.
const copies = 3

// Nodes asks a node for the whole cluster.
func (a Admin) Nodes(ctx context.Context) (Nodes, error) {
	var n Nodes
	err := a.ask(ctx, request{method: http.MethodGet, path: "nodes"}, &n)
	return n, err
}

// Remove takes a dead node out of the cluster for good.
func (a Admin) Remove(ctx context.Context, node string) error {
	return a.ask(ctx, request{method: http.MethodDelete, path: "nodes/" + url.PathEscape(node)}, nil)
}

// Problems says what is not as it should be, each as a sentence; none when all
// is well.
func (n *Nodes) Problems() []string {
	var list []string
	say := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	for _, m := range n.Missing {
		say("%s is missing", m)
	}
	for _, i := range n.Items {
		if !i.Ready {
			say("%s is not ready: %s", i.Name, i.Reason)
		}
	}
	if len(n.Missing) == 0 && n.Answered < max(n.Expected, n.Known) {
		say("only %d of %d nodes answered", n.Answered, max(n.Expected, n.Known))
	}
	for _, g := range n.Groups {
		if g.Leader == "" {
			say("nobody leads %s", g.Name)
			continue
		}
		if g.Name == groupMeta {
			for _, i := range n.Items {
				if !slices.ContainsFunc(g.Replicas, func(r ReplicaStatus) bool { return r.Node == i.Name }) {
					say("%s is not a member yet", i.Name)
				}
			}
		} else if len(g.Replicas) < copies {
			say("%s has %d copies, not %d", g.Name, len(g.Replicas), copies)
		}
		for _, r := range g.Replicas {
			if !r.Current && !slices.Contains(n.Missing, r.Node) {
				say("%s: the copy on %s is not current, %d changes behind", g.Name, r.Node, r.Lag)
			}
		}
	}
	return list
}
