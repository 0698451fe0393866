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

	"weft/bridge/ingest"
	"weft/bridge/kafka"
	"weft/cmd/weft/settings"
	"weft/edge"
	"weft/edge/auth"
	"weft/jetstream"
	"weft/jetstream/feed"
)

// A street is one node with all that an event passes on its way:
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
type street struct {
	cfg  *settings.Config
	log  *slog.Logger
	down teardown

	node     *jetstream.Node
	hub      *feed.Hub
	consumer *kafka.Consumer // nil without sources
	verifier *auth.Verifier
	edge     *edge.Edge

	begun time.Time
	// The edge serves from before the store is open until stopServing is
	// called; served is closed then, and serveErr says how it went.
	stopServing context.CancelFunc
	served      chan struct{}
	serveErr    error
	// left is closed when the clients have been told to leave, and have.
	left chan struct{}
}

// errStore is wrapped by errors about opening the store.
var errStore = errors.New("open store")

// openLimit bounds how long opening may take. A large store is read again from
// disk after a crash.
const openLimit = 5 * time.Minute

// drainGrace is added to public.drain_delay and public.drain_window for clients
// to go.
const drainGrace = 5 * time.Second

// handOverGrace is added to jetstream.PatienceToStop for the elections.
const handOverGrace = 5 * time.Second

// openStreet opens everything; stop ends the process as a signal would. What
// was opened is closed again when it fails.
func openStreet(ctx context.Context, cfg *settings.Config, log *slog.Logger, stop func()) (*street, error) {
	s := &street{cfg: cfg, log: log, begun: time.Now(), left: make(chan struct{}), served: make(chan struct{})}
	if cfg.Cluster == nil { // else it waits for the other nodes as long as they take
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, openLimit)
		defer cancel()
	}
	if err := s.open(ctx, stop); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *street) open(ctx context.Context, stop func()) error {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewBuildInfoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	s.node = jetstream.New(s.cfg.JetStream(), s.log.With("room", "jetstream"), reg)
	s.hub = feed.New(s.node, s.log.With("room", "feed"), reg)
	if err := s.openEdge(ctx, reg, stop); err != nil {
		return err
	}
	s.down.add("store", s.node.Close)
	if err := s.node.Open(ctx); err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	s.down.add("feeds", s.hub.Close)
	if err := s.hub.Open(ctx); err != nil {
		return fmt.Errorf("open feeds: %w", err)
	}
	if len(s.cfg.Kafka.Sources) > 0 {
		return s.openConsumer(ctx, reg)
	}
	return nil
}

// openEdge opens the listeners, and serves: a node that still waits for its
// store, or for the other nodes, is alive and says what it waits for.
func (s *street) openEdge(ctx context.Context, reg *prometheus.Registry, stop func()) (err error) {
	if s.verifier, err = auth.New(s.cfg.Auth, s.log.With("room", "auth"), reg); err != nil {
		return fmt.Errorf("read auth: %w", err)
	}
	if err := s.verifier.Open(ctx); err != nil {
		return fmt.Errorf("open auth: %w", err)
	}
	version, _ := build()
	deps := edge.Deps{Version: version, Node: s.node, Hub: s.hub, Verifier: s.verifier, Ingest: ingest.New(s.cfg.Ingest, s.node, reg),
		Ready: s.storeReady, Gatherer: reg, Drain: stop}
	if s.edge, err = edge.New(s.cfg.Edge(), deps, s.log.With("room", "edge"), reg); err != nil {
		return fmt.Errorf("read edge: %w", err)
	}
	s.down.add("edge", s.edge.Close)
	if err := s.edge.Open(ctx); err != nil {
		return err
	}
	serving, cancel := context.WithCancel(context.Background())
	s.stopServing = cancel
	go func() {
		defer close(s.served)
		s.serveErr = s.edge.Run(serving)
	}()
	s.down.add("edge", func() error { cancel(); <-s.served; return nil })
	return nil
}

func (s *street) openConsumer(ctx context.Context, reg prometheus.Registerer) error {
	var err error
	options := kafka.Options{Kafka: s.cfg.Kafka, MaxAge: s.cfg.Events.MaxAge}
	if s.consumer, err = kafka.New(options, kafka.StoreOf(s.node), s.log.With("room", "kafka"), reg); err != nil {
		return fmt.Errorf("read kafka: %w", err)
	}
	if err := s.consumer.Open(ctx); err != nil {
		return fmt.Errorf("open kafka: %w", err)
	}
	return nil
}

// storeReady is nil when the parts below the edge may serve.
func (s *street) storeReady() error {
	if err := s.node.Ready(); err != nil {
		return err
	}
	return s.hub.Ready()
}

// run serves until ctx ends or a part fails, and then leaves in order: not
// ready any more; sources stop and mark what is stored; when load balancers
// have noticed, clients are told to come back elsewhere; what the node leads in
// the cluster is handed over; the listeners close, and last the store. Until the
// listeners close events are taken: the store works to its end.
func (s *street) run(ctx context.Context) error {
	g := &group{log: s.log}
	g.add("store", s.node.Run)
	g.add("feeds", s.hub.Run)
	g.add("auth", s.verifier.Run)
	g.add("edge", s.serve)
	if s.consumer != nil {
		g.add("kafka", s.consumer.Run)
	}
	g.start()
	announced := make(chan struct{})
	announcing, stopAnnouncing := context.WithCancel(ctx)
	go func() {
		defer close(announced)
		s.announce(announcing)
	}()
	g.wait(ctx)
	stopAnnouncing()
	<-announced
	go s.sayGoodbye()
	return g.stop()
}

// serve lets the edge serve until ctx ends and the clients have left.
func (s *street) serve(ctx context.Context) error {
	select {
	case <-s.served:
	case <-ctx.Done():
		<-s.left
		s.stopServing()
		<-s.served
	}
	return s.serveErr
}

// sayGoodbye takes no new clients from now on, tells those that are there to
// leave, and then lets other nodes lead. It closes left at the end.
func (s *street) sayGoodbye() {
	defer close(s.left)
	leaving, cancel := context.WithTimeout(context.Background(), s.cfg.Public.DrainDelay+s.cfg.Public.DrainWindow+drainGrace)
	defer cancel()
	if err := s.edge.Drain(leaving); err != nil {
		s.log.Warn("not all clients left by themselves", "err", err)
	}
	handing, cancel := context.WithTimeout(context.Background(), jetstream.PatienceToStop+handOverGrace)
	defer cancel()
	if err := s.node.HandOver(handing); err != nil {
		s.log.Warn("not all leadership was handed over", "err", err)
	}
}

// readyEvery is how often announce looks.
const readyEvery = 5 * time.Millisecond

// announce logs the addresses once the node takes connections.
func (s *street) announce(ctx context.Context) {
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for s.edge.Ready() != nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
	s.log.Info("ready", "node", s.node.Name(), "public", s.edge.PublicAddr().String(), "admin", s.edge.AdminAddr().String(),
		"nats", strings.TrimPrefix(s.node.ClientURL(), "nats://"), "after", time.Since(s.begun).Round(time.Millisecond).String())
}

func (s *street) close() error { return s.down.close() }
