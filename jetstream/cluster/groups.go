package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"weft/jetstream/api"
	"weft/jetstream/event"
	"weft/jetstream/kv"
)

// GroupMeta is the name of the group that agrees on members, streams and
// buckets.
const GroupMeta = "meta"

// groupNames are those of all groups.
var groupNames = []string{GroupMeta, event.StreamName, kv.Blacklist, kv.Routes, kv.Nodes}

// askTry bounds one question to the cluster that an operator waits for.
const askTry = 2 * time.Second

// A Group is a number of copies of the same data and who leads them: a stream,
// a bucket, or the meta group, whose replicas are the members of the cluster.
type Group struct {
	Name string `json:"name"`
	// Leader is the node that leads; "" when none does, and then the replicas
	// are not known either.
	Leader   string    `json:"leader"`
	Replicas []Replica `json:"replicas"`
}

// A Replica is a copy on one node, as the leader of its group sees it.
type Replica struct {
	// Node is its name, or its peer id when the name is not known.
	Node string `json:"node"`
	// Current is set when the copy was seen lately and has all that the leader has.
	Current bool `json:"current"`
	// Offline is set when the node is not linked to the leader.
	Offline bool `json:"offline"`
	// Lag is how many changes the copy is behind.
	Lag uint64 `json:"lag"`
}

// groups asks for the groups.
type groups struct {
	client    *api.Client
	operators *kv.Account
	system    *nats.Conn // from Open on
	records   *records
	roster    *roster
}

// connOf is the connection to the account that a stream or bucket is in, and the name
// of the stream.
func (q *groups) connOf(name string) (*nats.Conn, string) {
	switch {
	case name == kv.Nodes:
		return q.client.Conn, kv.Stream(name)
	case slices.Contains(kv.Operated, name):
		return q.operators.Conn, kv.Stream(name)
	}
	return q.client.Conn, name
}

// all are the groups that there are.
func (q *groups) all(ctx context.Context) []Group {
	ctx, cancel := context.WithTimeout(ctx, askTry)
	defer cancel()
	groups := make([]*Group, len(groupNames))
	var asking sync.WaitGroup
	for i, name := range groupNames {
		asking.Go(func() { groups[i] = q.group(ctx, name) })
	}
	asking.Wait()
	var list []Group
	for _, g := range groups {
		if g != nil {
			list = append(list, *g)
		}
	}
	return list
}

// group is nil when there is no such stream or bucket.
func (q *groups) group(ctx context.Context, name string) *Group {
	if name == GroupMeta {
		meta, err := q.meta(ctx)
		if err != nil {
			return &Group{Name: name}
		}
		return q.newGroup(ctx, name, meta.Leader, meta.Replicas)
	}
	info, err := q.info(ctx, name)
	if err != nil {
		return &Group{Name: name}
	}
	if info == nil {
		return nil
	}
	return q.newGroup(ctx, name, info.Leader, info.Replicas)
}

// info asks the leader of a stream or bucket; nil when there is none of that name.
func (q *groups) info(ctx context.Context, name string) (*natsserver.ClusterInfo, error) {
	conn, stream := q.connOf(name)
	var resp struct {
		api.Response
		Cluster *natsserver.ClusterInfo `json:"cluster"`
	}
	switch err := api.Request(ctx, conn, "$JS.API.STREAM.INFO."+stream, nil, &resp); {
	case api.IsCode(err, api.CodeNoStream):
		return nil, nil
	case err != nil:
		return nil, err
	case resp.Cluster == nil:
		return nil, fmt.Errorf("%w: %s has no leader", api.ErrUnavailable, name)
	}
	return resp.Cluster, nil
}

// newGroup makes a group of its leader and the others. Of a peer that nobody has
// met since the others started the server knows no name; the roster or its record
// has it.
func (q *groups) newGroup(ctx context.Context, name, leader string, others []*natsserver.PeerInfo) *Group {
	g := &Group{Name: name, Leader: leader}
	if leader == "" {
		return g
	}
	g.Replicas = []Replica{{Node: leader, Current: true}}
	for _, p := range others {
		r := Replica{Node: q.roster.nameOf(p.Peer, p.Name), Current: p.Current && !p.Offline, Offline: p.Offline, Lag: p.Lag}
		if r.Node == "" {
			r.Node = p.Peer
			if t, err := q.records.get(ctx, p.Peer); err == nil && t.Node != "" {
				r.Node = t.Node
			}
		}
		g.Replicas = append(g.Replicas, r)
	}
	slices.SortFunc(g.Replicas, func(a, b Replica) int { return cmp.Compare(a.Node, b.Node) })
	return g
}

// meta asks the leader of the meta group for its members; nobody else answers.
// It fails with ErrUnavailable when nobody leads.
func (q *groups) meta(ctx context.Context) (*natsserver.MetaClusterInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, askTry)
	defer cancel()
	m, err := q.system.RequestWithContext(ctx, "$SYS.REQ.SERVER.PING.JSZ", []byte(`{"leader_only":true}`))
	if err != nil {
		return nil, fmt.Errorf("%w: ask for the members: %w", api.ErrUnavailable, err)
	}
	var resp struct {
		Data *natsserver.JSInfo `json:"data"`
	}
	if err := json.Unmarshal(m.Data, &resp); err != nil {
		return nil, fmt.Errorf("%w: ask for the members: %w", api.ErrUnavailable, err)
	}
	if resp.Data == nil || resp.Data.Meta == nil || resp.Data.Meta.Leader == "" {
		return nil, fmt.Errorf("%w: nobody leads the cluster", api.ErrUnavailable)
	}
	return resp.Data.Meta, nil
}
