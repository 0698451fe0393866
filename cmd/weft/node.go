package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"weft/bridge"
	"weft/bridge/ingest"
	"weft/bridge/kafka"
	"weft/bridge/target"
	"weft/cmd/weft/heaptrim"
	"weft/cmd/weft/settings"
	"weft/edge"
	"weft/edge/admin"
	"weft/edge/auth"
	"weft/edge/proxy/reply"
	"weft/jetstream"
	"weft/jetstream/cluster"
	"weft/jetstream/feed"
)

// A node is all that an event passes on its way through the process:
//
//	Kafka ──▶ kafka.Consumer ─┐
//	                          │       ┌────────────────┐    ┌──────────┐    ┌───────────┐
//	NATS  ────────────────────┼──────▶│ jetstream.Node │───▶│ feed.Hub │───▶│ edge.Edge │──▶ browsers
//	                          │       └────────────────┘    └──────────┘    └───────────┘
//	HTTP  ──▶ ingest.Ingest ──┘         stream, buckets       per user        │ public
//	            ▲                            │                                │ admin ◀── operators
//	            └────────────────────────────┼────────────────────────────────┤
//	                                         └── blacklist ──▶ auth.Verifier ─┘
//
// The edge is opened first, so that it can say what the node waits for, then from
// left to right; everything is closed in the reverse order.
type node struct {
	cfg  *settings.Config
	log  *slog.Logger
	down teardown

	member   *jetstream.Node
	hub      *feed.Hub
	sources  []source
	verifier *auth.Verifier
	edge     *edge.Edge
	requests *target.Kafka     // of routes to topics
	trimmer  *heaptrim.Trimmer // nil without tuning.trim_heap

	started time.Time
	// The edge serves from before the store is open until stopServing is
	// called; served is closed then, and serveErr says how it went.
	stopServing context.CancelFunc
	served      chan struct{}
	serveErr    error
	// left is closed when the clients have been told to leave, and have.
	left chan struct{}
}

// A source is a way in that fetches its events itself, instead of being called. It runs
// while the store is open, until its context ends.
type source struct {
	name string
	run  func(context.Context) error
}

// errStore is wrapped by errors about opening the store.
var errStore = errors.New("open store")

// openLimit bounds how long opening may take. A large store is read again from
// disk after a crash.
const openLimit = 5 * time.Minute

// drainGrace is added to public.drain_delay and public.drain_window for clients
// to go.
const drainGrace = 5 * time.Second

// handOverGrace is added to cluster.HandOverTimeout for the elections.
const handOverGrace = 5 * time.Second

// openNode opens everything; stop ends the process as a signal would. What
// was opened is closed again when it fails.
func openNode(ctx context.Context, cfg *settings.Config, log *slog.Logger, stop func()) (*node, error) {
	n := &node{cfg: cfg, log: log, started: time.Now(), left: make(chan struct{}), served: make(chan struct{})}
	if cfg.Cluster == nil { // else it waits for the other nodes as long as they take
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, openLimit)
		defer cancel()
	}
	if err := n.open(ctx, stop); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

func (n *node) open(ctx context.Context, stop func()) error {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewBuildInfoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	rules, err := bridge.NewRules(n.cfg.Ingest.Rules)
	if err != nil {
		return err
	}
	member := n.cfg.JetStream()
	member.Rules = rules.Message
	n.member = jetstream.New(member, n.log.With("room", "jetstream"), reg)
	n.hub = feed.New(feed.Params{Store: n.member.Store(), Presence: n.member.Presence(), OpenCopies: feed.Live(n.member.OpenLive), Relinked: n.member.Cluster().Links().Relinked,
		Clustered: n.member.Clustered(), Token: n.member.Token()}, n.log.With("room", "feed"), reg)
	if err := n.openEdge(ctx, reg, rules, stop); err != nil {
		return err
	}
	n.down.add("store", n.member.Close)
	if err := n.member.Open(ctx); err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	n.down.add("feeds", n.hub.Close)
	if err := n.hub.Open(ctx); err != nil {
		return fmt.Errorf("open feeds: %w", err)
	}
	if len(n.cfg.Kafka.Sources) > 0 {
		return n.openConsumer(ctx, reg)
	}
	return nil
}

// partsOf are those that the edge is handed.
func partsOf(n *jetstream.Node) admin.Node {
	return admin.Node{Name: n.Name(), Started: n.Started(), Clustered: n.Clustered(), Cluster: n.Cluster(),
		RPC: n.RPC(), Presence: n.Presence(), Blacklist: n.Blacklist(), Transfer: n.Transfer(), Routes: n.Routes()}
}

// openEdge opens the listeners, and serves: a node that still waits for its
// store, or for the other nodes, is alive and says what it waits for.
func (n *node) openEdge(ctx context.Context, reg *prometheus.Registry, rules bridge.Rules, stop func()) (err error) {
	if n.verifier, err = auth.New(n.cfg.Auth, n.log.With("room", "auth"), reg); err != nil {
		return fmt.Errorf("read auth: %w", err)
	}
	if err := n.verifier.Open(ctx); err != nil {
		return fmt.Errorf("open auth: %w", err)
	}
	waiting := reply.New(reg)
	n.member.Services().OnAnswer(waiting.Answer)
	if err := n.openRequests(ctx, waiting, reg); err != nil {
		return err
	}
	n.requests.LogTo(n.cfg.RoutesLogTopic, "/weft/"+n.member.Name())
	version, _ := build()
	deps := edge.Deps{Version: version, Node: partsOf(n.member), Hub: n.hub, Verifier: n.verifier,
		Routes: n.member.Routes(), Services: n.member.Services(), Kafka: n.requests, Waiting: waiting,
		Ingest: ingest.New(n.cfg.Ingest, rules, n.member.Store(), reg),
		Ready:  n.storeReady, Gatherer: reg, Drain: stop}
	if n.cfg.RoutesLogTopic != "" {
		deps.Recorder = n.requests
	}
	if n.cfg.Tuning.TrimHeap {
		n.trimmer = &heaptrim.Trimmer{}
		deps.Moved = n.trimmer.Moved
	}
	if n.edge, err = edge.New(n.cfg.Edge(), deps, n.log.With("room", "edge"), reg); err != nil {
		return fmt.Errorf("read edge: %w", err)
	}
	n.down.add("edge", n.edge.Close)
	if err := n.edge.Open(ctx); err != nil {
		return err
	}
	serving, cancel := context.WithCancel(context.Background())
	n.stopServing = cancel
	go func() {
		defer close(n.served)
		n.serveErr = n.edge.Run(serving)
	}()
	n.down.add("edge", func() error { cancel(); <-n.served; return nil })
	return nil
}

func (n *node) openConsumer(ctx context.Context, reg prometheus.Registerer) error {
	options := kafka.Options{Kafka: n.cfg.Kafka, MaxAge: n.cfg.Events.MaxAge}
	consumer, err := kafka.New(options, kafka.StoreOf(n.member.Store(), n.member.Cluster().Links().Majority), n.log.With("room", "kafka"), reg)
	if err != nil {
		return fmt.Errorf("read kafka: %w", err)
	}
	if err := consumer.Open(ctx); err != nil {
		return fmt.Errorf("open kafka: %w", err)
	}
	n.sources = append(n.sources, source{"kafka", consumer.Run})
	return nil
}

// storeReady is nil when the parts below the edge may serve.
func (n *node) storeReady() error {
	if err := n.member.Ready(); err != nil {
		return err
	}
	return n.hub.Ready()
}

// run serves until ctx ends or a part fails, and then leaves in order: not
// ready any more; sources stop and mark what is stored; when load balancers
// have noticed, clients are told to come back elsewhere; what the node leads in
// the cluster is handed over; the listeners close, and last the store. Until the
// listeners close events are taken: the store works to its end.
func (n *node) run(ctx context.Context) error {
	g := &group{log: n.log}
	g.add("store", n.member.Run)
	g.add("feeds", n.hub.Run)
	g.add("auth", n.verifier.Run)
	g.add("requests", n.requests.Run) // which the edge stands on
	g.add("edge", n.serve)
	if n.trimmer != nil {
		g.add("heap", n.trimmer.Run)
	}
	for _, s := range n.sources {
		g.add(s.name, s.run)
	}
	g.start()
	announced := make(chan struct{})
	announcing, stopAnnouncing := context.WithCancel(ctx)
	go func() {
		defer close(announced)
		n.announce(announcing)
	}()
	g.wait(ctx)
	stopAnnouncing()
	<-announced
	go n.sayGoodbye()
	return g.stop()
}

// serve lets the edge serve until ctx ends and the clients have left.
func (n *node) serve(ctx context.Context) error {
	select {
	case <-n.served:
	case <-ctx.Done():
		<-n.left
		n.stopServing()
		<-n.served
	}
	return n.serveErr
}

// sayGoodbye takes no new clients from now on, tells those that are there to
// leave, and then lets other nodes lead. It closes left at the end.
func (n *node) sayGoodbye() {
	defer close(n.left)
	leaving, cancel := context.WithTimeout(context.Background(), n.cfg.Public.DrainDelay+n.cfg.Public.DrainWindow+drainGrace)
	defer cancel()
	if err := n.edge.Drain(leaving); err != nil {
		n.log.Warn("not all clients left by themselves", "err", err)
	}
	handing, cancel := context.WithTimeout(context.Background(), cluster.HandOverTimeout+handOverGrace)
	defer cancel()
	if err := n.member.Cluster().HandOver(handing); err != nil {
		n.log.Warn("not all leadership was handed over", "err", err)
	}
}

// readyEvery is how often announce looks.
const readyEvery = 5 * time.Millisecond

// announce logs the addresses once the node takes connections.
func (n *node) announce(ctx context.Context) {
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for n.edge.Ready() != nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
	n.log.Info("ready", "node", n.member.Name(), "public", n.edge.PublicAddr().String(), "admin", n.edge.AdminAddr().String(),
		"nats", strings.TrimPrefix(n.member.ClientURL(), "nats://"), "after", time.Since(n.started).Round(time.Millisecond).String())
}

func (n *node) close() error { return n.down.close() }
