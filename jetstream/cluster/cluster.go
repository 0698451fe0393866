package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream/api"
	"weft/jetstream/kv"
	"weft/jetstream/rpc"
	"weft/jetstream/server"
)

// staleEnough is the age of the blacklist from which on a node that is cut off
// says it.
const staleEnough = 3 * time.Second

// Params are what a Cluster needs of its node. Functions may be called concurrently.
type Params struct {
	Name     string                // of the node
	DataDir  string                // of the node
	Cluster  *server.ClusterConfig // nil: a standalone node
	Replicas int                   // of the stream and of buckets
	Log      *slog.Logger

	Server    *server.Server
	Disk      *server.Disk
	Client    *api.Client // of the nodes' account
	Operators *kv.Account
	RPC       *rpc.RPC

	// Opened says why the node takes nothing at this moment, nil when it does.
	Opened func() error
	// Report is told what the opening waits for.
	Report func(what string)
	// Staleness is how old the blacklist is, if that is known.
	Staleness func() (time.Duration, bool)
}

// A Cluster is a node's view of its cluster. Its methods may be called concurrently.
type Cluster struct {
	p       Params
	metrics *metrics
	system  *nats.Conn // of the system account; nil on a standalone node
	groups  *groups
	links   *Links
	clocks  *clocks
	records *records
	roster  *roster
	// expelled gets an error once, when the node was removed.
	expelled chan error
	diverged chan []server.Copy
}

// New makes a Cluster, and answers other nodes that ask for the time.
func New(p Params, reg prometheus.Registerer) *Cluster {
	c := &Cluster{p: p, links: newLinks(p.Cluster), clocks: newClocks(p.Name, p.RPC, p.Log, reg),
		records: &records{client: p.Client, replicas: p.Replicas}, roster: &roster{names: map[string]string{}}, expelled: make(chan error, 1), diverged: make(chan []server.Copy)}
	c.groups = &groups{client: p.Client, operators: p.Operators, records: c.records, roster: c.roster}
	c.clocks.answer()
	c.metrics = newMetrics(reg, c.links.Count)
	reg.MustRegister(newElections(p.Server, p.Cluster == nil))
	return c
}

// Open connects to the account in which servers are asked about themselves. The server
// must run.
func (c *Cluster) Open() (err error) {
	if c.p.Cluster != nil {
		c.system, err = c.p.Server.Connect(server.SystemUser, "system")
		c.groups.system = c.system
	}
	return err
}

// Close ends what Open began, after Run has ended.
func (c *Cluster) Close() {
	if c.system != nil {
		c.system.Close()
	}
}

// Run keeps true what is known of the cluster, until ctx ends.
func (c *Cluster) Run(ctx context.Context) {
	var tasks sync.WaitGroup
	if c.p.Cluster != nil {
		tasks.Go(func() { c.watchLinks(ctx) })
		tasks.Go(func() { c.clocks.run(ctx, c.p.Server.Peers) })
		tasks.Go(func() { c.watchRemoved(ctx) })
		tasks.Go(func() { c.watchDiverged(ctx) })
	}
	tasks.Go(func() { c.watchGroups(ctx) })
	tasks.Wait()
}

// Removed gets ErrRemoved once, when the node has learnt that it was removed.
func (c *Cluster) Removed() <-chan error { return c.expelled }

// Peers returns the names of the nodes that this one is linked to, in order.
func (c *Cluster) Peers() []string { return c.p.Server.Peers() }

// Links are those to the other nodes.
func (c *Cluster) Links() *Links { return c.links }

// Groups asks the leaders for the replicas of the meta group, the stream and
// the buckets. A group that nobody leads has no leader and no replicas. A
// standalone node has no groups. It does not fail; it answers within two seconds.
func (c *Cluster) Groups(ctx context.Context) []Group {
	if c.p.Cluster == nil || c.p.Opened() != nil {
		return nil
	}
	return c.groups.all(ctx)
}

// Ready is nil when the node is linked to a majority and its replicas are
// current; else it says what is missing.
func (c *Cluster) Ready() error {
	if c.p.Cluster == nil {
		return nil
	}
	because := c.p.Server.LinkFault()
	if age, ok := c.p.Staleness(); ok && age > staleEnough {
		because += fmt.Sprintf("; the blacklist is as of %v ago", age.Round(time.Second))
	}
	return c.links.ready(because)
}

// Enter finds out whether the node may be in the cluster. One that was removed
// and brings its old data folder may not; with a new one it is a new member.
func (c *Cluster) Enter(ctx context.Context) error {
	if c.p.Cluster == nil {
		return nil
	}
	c.p.Report("waiting for the cluster to agree on a leader")
	c.awaitLeaders(ctx)
	self := server.PeerID(c.p.Name)
	var removed bool
	err := api.Start().Do(ctx, func(ctx context.Context) (err error) {
		removed, err = c.records.removed(ctx, self)
		return err
	})
	if err != nil {
		return err
	}
	id, err := server.ReadIdentity(c.p.DataDir)
	if err != nil {
		return err
	}
	if removed && id.Member {
		return c.leave()
	}
	if err := c.records.open(ctx); err != nil {
		return err
	}
	if removed {
		c.p.Log.Info("a node of this name was removed; this one joins as a new member")
	}
	if !id.Member {
		if err := c.records.put(ctx, self, record{Node: c.p.Name}); err != nil {
			return err
		}
	}
	id.Member = true
	return id.Write(c.p.DataDir)
}

// leave makes the data folder refuse to start again, and returns ErrRemoved.
func (c *Cluster) leave() error {
	c.p.Log.Error("an operator removed this node from the cluster while it was away")
	id, err := server.ReadIdentity(c.p.DataDir)
	if err == nil {
		id.Removed = true
		err = id.Write(c.p.DataDir)
	}
	return errors.Join(server.ErrRemoved, err)
}
