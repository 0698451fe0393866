// Package jetstream is one member of Weft: a NATS server embedded in the node, with the
// stream EVENTS that every event passes through, and the buckets. A Node makes the parts
// below, hands each what it needs, and opens and closes them in order:
//
//	server     the embedded server; its accounts, links, disk and data folder
//	api        the client of the nodes' account, and that of the operators'
//	rpc        calls between nodes, and presence on them
//	cluster    who belongs to the cluster, and whether the others can be reached
//	store      the stream: reads, publishing, pipelines, ticks
//	kv         the buckets; blacklist is one of them in memory
//	ingress    what NATS publishers send
//	services   requests to NATS services, and their answers
//
// A Node is opened once, then run, then closed. The server's client port is for
// publishers, operators and services and listens on loopback unless users are configured;
// only services and the node's own connections may subscribe beyond their inbox.
package jetstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream/api"
	"weft/jetstream/blacklist"
	"weft/jetstream/cluster"
	"weft/jetstream/event"
	"weft/jetstream/ingress"
	"weft/jetstream/kv"
	"weft/jetstream/natsconn"
	"weft/jetstream/presence"
	"weft/jetstream/replica"
	"weft/jetstream/routes"
	"weft/jetstream/rpc"
	"weft/jetstream/server"
	"weft/jetstream/services"
	"weft/jetstream/store"
)

// A Node is one member of Weft. Its methods may be called concurrently after
// Open has returned.
type Node struct {
	cfg Config
	log *slog.Logger

	srv       *server.Server
	ingress   *ingress.Ingress
	disk      *server.Disk
	client    *api.Client    // of the nodes' own account
	replica   *replica.Index // of the stream
	store     *store.Store
	control   *kv.Account // of operators
	keeper    *kv.Keeper
	transfer  *kv.Transfer
	rpc       *rpc.RPC
	presence  *presence.Presence
	services  *services.Services
	waiting   atomic.Pointer[string] // what Open waits for; nil once it is done
	cluster   *cluster.Cluster
	restarts  prometheus.Counter
	yielded   prometheus.Counter
	made      time.Time
	blacklist *blacklist.Blacklist
	routes    *routes.Routes

	tasks sync.WaitGroup
	once  sync.Once
	undo  []func() error // in the order of opening
}

// New makes a node; Open starts it. An empty node name is filled with the host
// name.
func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) *Node {
	cfg.Node.Complete()
	n := &Node{made: time.Now(), cfg: cfg, log: log, client: new(api.Client)}
	n.srv = server.New(cfg.server(), log)
	n.rpc = rpc.New(rpc.Params{Node: cfg.Node.Name, Log: log, Peers: n.srv.Peers, Members: func() int { return n.cluster.Links().Known() }}, reg)
	n.services = services.New(services.Params{Subject: n.srv.ServiceSubject, Log: log, Connect: func(name string, opts ...nats.Option) (*nats.Conn, error) {
		return n.srv.Connect(server.ServiceUser, name, opts...)
	}})
	n.presence = presence.New(presence.Params{Node: cfg.Node.Name, Subscribed: n.srv.Interest, RPC: n.rpc, Listen: cfg.linkAddr(),
		Links: func() map[string]presence.Link { return linksOf(n.srv) }, Members: func() int { return n.cluster.Links().Known() },
		Member: func(name string) bool { return server.IsMember(n.srv, name) }}, reg)
	n.disk = server.NewDisk(&cfg.Node, log, reg)
	n.replica = replica.New(func() (replica.Copy, bool) { return server.ReplicaOf(n.srv, event.StreamName) })
	n.store = store.New(store.Params{Replica: n.replica, Client: n.client, Token: n.Token(), Limits: cfg.Events, Replicas: cfg.replicas(), Log: log,
		Opened: n.opened, DiskFull: n.disk.Full, CutOff: n.cutOff}, reg)
	n.makeBuckets(reg)
	n.cluster = cluster.New(cluster.Params{Name: cfg.Node.Name, DataDir: cfg.Node.DataDir, Cluster: cfg.Cluster, Replicas: cfg.replicas(), Log: log,
		Server: n.srv, Disk: n.disk, Client: n.client, Operators: n.control, RPC: n.rpc,
		Opened: n.opened, Report: n.waitFor, Staleness: n.blacklist.Staleness}, reg)
	n.ingress = ingress.New(ingress.Params{Dial: n.srv.Dial, Closed: n.store.TakesEvents, MessageID: n.store.MessageID, EventID: n.store.CursorAt, Rules: cfg.Rules, Log: log}, reg)
	n.restarts = prometheus.NewCounter(prometheus.CounterOpts{Name: "weft_jetstream_server_restarts_total",
		Help: "Restarts of the embedded server because its store was stuck, or held what the other nodes did not agree to."})
	n.yielded = prometheus.NewCounter(prometheus.CounterOpts{Name: "weft_jetstream_leads_yielded_total",
		Help: "Times that this node let another one lead the stream, because it acknowledged nothing."})
	reg.MustRegister(n.restarts, n.yielded)
	n.waitFor("the store is being opened")
	return n
}

// Open locks the data folder, starts the server, makes stream and buckets and
// loads blacklist and routes. When it fails everything is closed again.
func (n *Node) Open(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	lock, err := server.OpenDataDir(n.cfg.server())
	if err != nil {
		return err
	}
	n.undo = append(n.undo, lock.Close)
	n.disk.Look()
	if err := n.srv.Form(ctx, n.waitFor); err != nil {
		return err
	}
	if err := n.srv.Start(ctx); err != nil {
		return err
	}
	n.undo = append(n.undo, func() error { n.srv.Stop(); return nil })
	requests, err := n.Connect("requests")
	if err != nil {
		return err
	}
	n.undo = append(n.undo, func() error { requests.Close(); return nil })
	if err := n.client.Open(requests); err != nil {
		return err
	}
	if err := n.cluster.Open(); err != nil {
		return err
	}
	n.undo = append(n.undo, func() error { n.cluster.Close(); return nil })
	calls, err := n.Connect("rpc", nats.NoEcho())
	if err != nil {
		return err
	}
	n.undo = append(n.undo, func() error { n.rpc.Close(); calls.Close(); return nil })
	if err := n.rpc.Open(calls); err != nil {
		return err
	}
	if err := openPresence(n); err != nil {
		return err
	}
	if err := n.openControl(); err != nil {
		return err
	}
	n.undo = append(n.undo, func() error { n.replica.Close(); return nil })
	ticks, err := n.Connect("ticks")
	if err != nil {
		return err
	}
	n.undo = append(n.undo, func() error { ticks.Close(); return nil })
	if err := n.store.Open(ticks); err != nil {
		return err
	}
	if err := n.cluster.Enter(ctx); err != nil {
		return err
	}
	if err := n.store.Ensure(ctx); err != nil {
		return err
	}
	if err := n.keeper.Open(ctx); err != nil {
		return err
	}
	// It hears answers for the whole cluster from now on, so it must know the cluster.
	if err := n.services.Open(); err != nil {
		return err
	}
	n.undo = append(n.undo, func() error { n.services.Close(); return nil })
	if err := n.startTasks(ctx); err != nil {
		return err
	}
	n.waiting.Store(nil)
	return nil
}

// openPresence lets followers of presence be told, of this node alone until others are
// linked.
func openPresence(n *Node) error {
	hints, err := n.Connect("presence", nats.NoEcho())
	if err != nil {
		return err
	}
	n.presence.Open(hints)
	run, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	n.undo = append(n.undo, func() error { cancel(); running.Wait(); hints.Close(); return nil })
	running.Go(func() { n.presence.Run(run) })
	return nil
}

// startTasks starts what runs until Close, and waits for the blacklist and the table of
// routes, and until all publishers are heard: one that asks for no acknowledgement would not learn
// that it was not.
func (n *Node) startTasks(ctx context.Context) error {
	run, cancel := context.WithCancel(context.Background())
	n.undo = append(n.undo, func() error { cancel(); n.tasks.Wait(); return nil })
	loaded, tabled := make(chan struct{}), make(chan struct{})
	n.tasks.Go(func() { n.blacklist.Run(run, sync.OnceFunc(func() { close(loaded) })) })
	n.tasks.Go(func() { n.routes.Run(run, func() { close(tabled) }) })
	n.tasks.Go(func() { n.keeper.Run(run, n.blacklist.Missed(), n.routes.Missed()) })
	n.tasks.Go(func() { n.disk.Run(run) })
	n.tasks.Go(func() { n.cluster.Run(run) })
	n.tasks.Go(func() { watchdogOf(n).run(run) })
	if n.cfg.Cluster != nil {
		w := &leadWatch{log: n.log, yielded: n.yielded, silence: n.store.Silence, linkedFor: n.cluster.Links().LinkedFor, lead: server.LeadOf(n.srv, event.StreamName)}
		n.tasks.Go(func() { w.run(run) })
	}
	publishers := n.srv.Publishers()
	heard := make(chan struct{}, len(publishers))
	for _, p := range publishers {
		n.tasks.Go(func() { n.ingress.Run(run, p, sync.OnceFunc(func() { heard <- struct{}{} })) })
	}
	select {
	case <-loaded:
	case <-ctx.Done():
		return fmt.Errorf("load blacklist: %w", context.Cause(ctx))
	}
	if err := n.transfer.Inherit(ctx, n.client.JS, n.log); err != nil {
		return err
	}
	if err := n.blacklist.AwaitFresh(ctx); err != nil {
		return err
	}
	n.waitFor("the routes are being loaded")
	select {
	case <-tabled:
	case <-ctx.Done():
		return fmt.Errorf("load routes: %w", context.Cause(ctx))
	}
	n.tasks.Go(func() { plant(run, n.Ready, n.routes, n.cfg.Routes) })
	for range publishers {
		select {
		case <-heard:
		case <-ctx.Done():
			return fmt.Errorf("listen to publishers: %w", context.Cause(ctx))
		}
	}
	return nil
}

func watchdogOf(n *Node) *watchdog {
	links := n.cluster.Links()
	return &watchdog{log: n.log, restarts: n.restarts, stop: n.srv.Stop, start: n.srv.Start, diskFull: n.disk.Full,
		silence: n.store.Silence, illFor: links.StaleFor, linkedFor: links.LinkedFor,
		renew:     func(ctx context.Context) { n.presence.Unlink(ctx); links.Restarting() },
		clustered: n.cfg.Cluster != nil, diverged: n.cluster.Diverged(), drop: func(copies []server.Copy) error { return server.DropLogs(n.srv, copies) }}
}

// linksOf are a server's links to other nodes, for presence.
func linksOf(s *server.Server) map[string]presence.Link {
	links := map[string]presence.Link{}
	for name, l := range server.LinksOf(s) {
		links[name] = presence.Link(l)
	}
	return links
}

// Close stops everything in the reverse order. It may be called again.
func (n *Node) Close() error {
	var errs []error
	n.once.Do(func() {
		for i := len(n.undo) - 1; i >= 0; i-- {
			errs = append(errs, n.undo[i]())
		}
	})
	return errors.Join(errs...)
}

// Name returns the node's name.
func (n *Node) Name() string { return n.cfg.Node.Name }

// Token returns the node's name as a subject token.
func (n *Node) Token() string { return n.srv.Token() }

// ClientURL returns the URL for NATS clients.
func (n *Node) ClientURL() string { return n.srv.ClientURL() }

// Transfer carries the operators' buckets from and to another Weft.
func (n *Node) Transfer() *kv.Transfer { return n.transfer }

// Blacklist is what cuts tokens before their time.
func (n *Node) Blacklist() *blacklist.Blacklist { return n.blacklist }

// Routes are the routes from the front end to the back ends.
func (n *Node) Routes() *routes.Routes { return n.routes }

// Store is the stream of events.
func (n *Node) Store() *store.Store { return n.store }

// RPC calls the other nodes and answers them.
func (n *Node) RPC() *rpc.RPC { return n.rpc }

// Presence says whether anybody follows a subject.
func (n *Node) Presence() *presence.Presence { return n.presence }

// Services are asked by requests of the front end.
func (n *Node) Services() *services.Services { return n.services }

// Cluster is what the node knows of its cluster.
func (n *Node) Cluster() *cluster.Cluster { return n.cluster }

// Clustered reports whether the node is one of several.
func (n *Node) Clustered() bool { return n.cfg.Cluster != nil }

// Started is when the node was made.
func (n *Node) Started() time.Time { return n.made }

// Ready is nil when the store can be used; else it says what is missing.
func (n *Node) Ready() error {
	if what := n.waiting.Load(); what != nil {
		return errors.New(*what)
	}
	switch {
	case !n.srv.Running():
		return errors.New("the embedded server is not running")
	case n.client.Conn == nil || !n.client.Conn.IsConnected():
		return errors.New("the store's connection is being made anew")
	case !n.blacklist.Loaded():
		return errors.New("the blacklist is not loaded")
	case n.blacklist.Remaking():
		return errors.New("the bucket blacklist is gone and is being made anew")
	}
	return n.cluster.Ready()
}

// waitFor says what the opening waits for.
func (n *Node) waitFor(what string) { n.waiting.Store(&what) }

// cutOff reports whether the node is cut off from the majority of its cluster.
func (n *Node) cutOff() bool { return n.cluster.Links().CutOff() }

// opened is ErrUnavailable while the node is being opened, and while it is cut
// off: no majority will answer, and a publisher that knows that soon can turn to
// another node.
func (n *Node) opened() error {
	if what := n.waiting.Load(); what != nil {
		return fmt.Errorf("%w: %s", api.ErrUnavailable, *what)
	}
	if n.cutOff() {
		return fmt.Errorf("%w: %w", api.ErrUnavailable, api.ErrIsolated)
	}
	return nil
}

// Connect makes a connection within the process; see server.Server.Connect.
func (n *Node) Connect(name string, opts ...nats.Option) (*nats.Conn, error) {
	return n.srv.Connect(server.NodeUser, name, opts...)
}

// OpenLive connects to hear delivery copies; see natsconn.OpenLive.
func (n *Node) OpenLive(deliver func(*event.Copy), interrupted func(why string)) (*natsconn.Live, error) {
	return natsconn.OpenLive(func() (*natsconn.Conn, error) { return n.srv.Dial(server.NodeUser, n.Name()+" live") }, deliver, interrupted)
}

// Run blocks until ctx ends, or fails with server.ErrRemoved.
func (n *Node) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-n.cluster.Removed():
		return err
	}
}
