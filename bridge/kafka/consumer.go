// Package kafka brings the records of Kafka topics to the store.
//
// It promises that an offset is committed only after every event of every
// record up to it is stored (or was put into the dead-letter topic, or counted
// as what cannot be placed), that the events of a partition are stored in the
// order of their records, and that each is stored once: message ids catch what
// is read twice within the stream's duplicate window, and after a partition is
// claimed the store is asked which records the last owner has stored without
// committing, until 1,024 in a row were new. A commit's metadata says behind which
// sequence of the stream these are, so that one read tells it for all partitions
// that are claimed together; without it each record is looked up in its subjects.
//
// Kafka may be absent at any time. The consumer keeps trying, says once what is
// wrong, and once that it is over. Nothing that a topic holds stops its
// partition.
//
// How: members of one consumer group (cooperative sticky; one member for the
// sources that start at the oldest record, one for those that start at the
// newest) run a claim for each partition. A claim is one goroutine that reads
// records, applies the rule and fills a pipeline of the store. A lease, kept by
// heartbeats of its own, says whether the broker still knows the member: a
// member that has been cut off or paused for longer than the session time-out
// sends nothing more, even before the client library has noticed. Joins, fetches
// and the heartbeats of the lease have connections of their own, since a broker
// answers one request of a connection after the other: while members join or
// leave, partitions that do not move are read on.
package kafka

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/bridge"
	"weft/bridge/broker"
	"weft/jetstream/ratelog"
)

// Options are what a Consumer needs to know. Kafka has passed its check.
type Options struct {
	Kafka bridge.KafkaConfig
	// MaxAge is the age (events.max_age) beyond which a record is skipped and
	// counted; 0: none is too old.
	MaxAge time.Duration
}

// A Consumer reads all sources. Its methods may be called concurrently; Run
// once.
type Consumer struct {
	opts     Options
	store    Store
	log      *slog.Logger
	metrics  *metrics
	reporter *errorReporter
	limited  *ratelog.Log
	lookups  chan struct{} // holds a token for each look-up that is under way
	sources  map[string]*source
	dead     *deadLetters
	tls      *tls.Config // nil: plain
}

// source is a topic with its compiled rule.
type source struct {
	bridge.Source
	rule *bridge.Rule
}

// New makes a consumer. It does not connect.
func New(opts Options, store Store, log *slog.Logger, reg prometheus.Registerer) (*Consumer, error) {
	c := &Consumer{opts: opts, store: store, log: log, metrics: newMetrics(opts.Kafka.Sources, reg), sources: map[string]*source{}}
	c.reporter = newErrorReporter(log, time.Now)
	c.limited = ratelog.New(log, time.Now)
	c.lookups = make(chan struct{}, lookupFlight)
	for _, s := range opts.Kafka.Sources {
		rule, err := bridge.NewRule(s)
		if err != nil {
			return nil, fmt.Errorf("compile rule of topic %s: %w", s.Topic, err)
		}
		c.sources[s.Topic] = &source{Source: s, rule: rule}
	}
	c.dead = newDeadLetters(c)
	return c, nil
}

// Open reads the files that the configuration names. It does not need Kafka.
func (c *Consumer) Open(context.Context) error {
	conf, err := broker.LoadTLS(c.opts.Kafka.TLS)
	if err != nil {
		return err
	}
	c.tls = conf
	return nil
}

// Run consumes until ctx ends; then it stops reading, waits up to two seconds
// for what is on its way to the store, commits and leaves the group. Its error
// is always nil: Kafka's absence is no reason to stop.
func (c *Consumer) Run(ctx context.Context) error {
	var members sync.WaitGroup
	for _, start := range []string{bridge.StartOldest, bridge.StartNewest} {
		var topics []string
		for _, s := range c.opts.Kafka.Sources {
			if s.Start == start || s.Start == "" && start == bridge.StartOldest {
				topics = append(topics, s.Topic)
			}
		}
		if len(topics) > 0 {
			members.Go(func() { newMember(c, start, topics).run(ctx) })
		}
	}
	members.Wait()
	c.dead.close()
	return nil
}

// Joined reports whether a member is in the group: Kafka is there.
func (c *Consumer) Joined() bool { return c.metrics.joinedNow.Load() > 0 }
