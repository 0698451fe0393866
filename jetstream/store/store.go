// Package store is the stream EVENTS, which every event passes through: how it must
// be, what is read of it, and what is published to it.
//
// An event is published on the subject of whom it is for, user.<user> or
// topic.<token>…. The stream stores it on disk, acknowledges, and republishes a
// copy on out.<subject>, which carries the sequence in the stream and that of
// the subject's message before. What is published is what is delivered: the
// payload is never changed.
//
// Limits of the stream (age, count per subject, bytes) are always set; the
// oldest go first. Reads go by exact subject, which costs the same however
// large the stream is.
package store

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/nats-io/nats.go"

	"weft/jetstream/api"
	"weft/jetstream/event"
	"weft/jetstream/replica"
)

// Params are what a Store needs to know of its node.
type Params struct {
	Client *api.Client
	Token  string // the node's name as a subject token
	Limits event.Limits
	// Replicas is how many copies of the stream there are; with one the node is alone.
	Replicas int
	Log      *slog.Logger
	// Opened says why the store cannot be used at this moment.
	Opened func() error
	// DiskFull reports whether events are refused because the disk is nearly full.
	DiskFull func() bool
	// Replica is this node's own copy of the stream, if it has one; nil: it is not read.
	Replica *replica.Index
	// CutOff reports whether the node is cut off from the majority of its cluster.
	CutOff func() bool
}

func (p *Params) clustered() bool { return p.Replicas > 1 }

// A Store is all that can be done with the stream, in parts that are handed out one
// by one as well. Its methods may be called concurrently.
type Store struct {
	*Stream
	*Reader
	*Publisher
	*Ticker
	*Deduplication
}

// New makes a Store; Open and then Ensure must be called.
func New(p Params, reg prometheus.Registerer) *Store {
	m := newMetrics(reg)
	s := newStream(&p, m)
	publisher := &Publisher{stream: s, params: &p, metrics: m}
	reader := &Reader{stream: s, params: &p, reads: make(api.Semaphore, maxReads), barrier: publisher.Barrier}
	dedup := newDeduplication(s, reader)
	publisher.hasID = dedup.HasID
	ticker := newTicker(&p, s)
	publisher.took = ticker.took
	return &Store{s, reader, publisher, ticker, dedup}
}

// Open begins to listen for acknowledgements of ticks and for leaders. The client must
// be open. Ticks have a connection on which nothing is read: the server answers a read
// before it looks at what was sent after it.
func (s *Store) Open(ticks *nats.Conn) error {
	if err := s.Ticker.open(ticks); err != nil {
		return err
	}
	if !s.Stream.params.clustered() {
		return nil // alone there is no other leader
	}
	return s.leader.Watch(s.Stream.params.Client.Conn, event.StreamName)
}

// TakesEvents says why no event can be stored at this moment.
func (s *Store) TakesEvents() error {
	if err := s.Stream.params.Opened(); err != nil {
		return err
	}
	if s.Stream.params.DiskFull() {
		return api.ErrDiskFull
	}
	return nil
}

// Ensure makes the stream, or brings its limits up to the configuration.
func (s *Store) Ensure(ctx context.Context) error { return s.Stream.ensure(ctx) }
