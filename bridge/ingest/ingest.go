// Package ingest takes events that are published by HTTP, and by a client's
// WebSocket, to the store.
//
// What may be published with POST /_weft/v1/events:
//
//   - a CloudEvent, structured (application/cloudevents+json), in binary form
//     (ce-* headers) or several as a batch (application/cloudevents-batch+json).
//     Whom it is for say its extension attributes user and topic, the latter
//     without its prefix: hotel.42. With both it goes to both.
//   - any other body, with ?user= or ?subject= in the query and an optional
//     ?type=. The query also names the addressee of a CloudEvent that has none.
//
// Events are stored byte for byte, and Accept returns after all of them are. Who
// sends a CloudEvent, or an Idempotency-Key, may safely send again: within the
// duplicate window it is stored once.
//
// Nothing of a request is stored before all of it has been checked and
// permitted. When the store fails in the middle of a batch, a part may be
// stored: the answer is 503, and the same request again completes it.
package ingest

import (
	"context"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"weft/bridge"
	"weft/jetstream"
)

// maxEvents bounds the events of one request, copies included.
const maxEvents = 1000

// Store is what Ingest needs of a jetstream.Node.
type Store interface {
	PublishAll(ctx context.Context, events []jetstream.Event) ([]jetstream.Ack, []error)
}

// Ingest takes events. Its methods may be called concurrently.
type Ingest struct {
	cfg    bridge.IngestConfig
	store  Store
	events *prometheus.CounterVec
}

// New makes an ingest.
func New(cfg bridge.IngestConfig, store Store, reg prometheus.Registerer) *Ingest {
	i := &Ingest{cfg: cfg, store: store, events: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "weft_ingest_events_total",
		Help: "Events published by HTTP and WebSocket; outcome is stored, duplicate, or the code of what went wrong.",
	}, []string{"outcome"})}
	reg.MustRegister(i.events)
	return i
}

// Accept stores the events of r and returns their ids in order, after all are
// stored. publisher is the token's user or admin; may is asked for each subject
// before anything is stored. Every error is a *Problem, but for ctx's.
func (i *Ingest) Accept(ctx context.Context, r *http.Request, publisher string, may func(subject string) bool) ([]string, error) {
	events, err := i.read(r, publisher)
	if err != nil {
		return nil, i.failed(err)
	}
	return i.publish(ctx, events, may)
}

// AcceptEvent is Accept for one event for one subject; typ is its type, "" for
// none. It has no message id, so that sending it again stores it again. The same
// checks apply.
func (i *Ingest) AcceptEvent(ctx context.Context, publisher string, may func(subject string) bool, subject, typ string, data []byte) (string, error) {
	e := jetstream.Event{Subject: subject, Type: typ, Data: data}
	ids, err := i.publish(ctx, []jetstream.Event{e}, may)
	if err != nil {
		return "", err
	}
	return ids[0], nil
}

func (i *Ingest) publish(ctx context.Context, events []jetstream.Event, may func(string) bool) ([]string, error) {
	for n := range events {
		if err := events[n].Check(); err != nil {
			return nil, i.failed(at(n, len(events), refused(err)))
		}
	}
	for n := range events {
		if !may(events[n].Subject) {
			return nil, i.failed(at(n, len(events), problem(http.StatusForbidden, "forbidden", "the token does not allow to publish there")))
		}
	}
	acks, errs := i.store.PublishAll(ctx, events)
	ids := make([]string, len(events))
	var worst *Problem
	for n := range events {
		if errs[n] != nil {
			if p := stored(errs[n]); worst == nil || p.status > worst.status {
				worst = p
			}
			continue
		}
		ids[n] = acks[n].Cursor
		if acks[n].Duplicate {
			i.events.WithLabelValues("duplicate").Inc()
		} else {
			i.events.WithLabelValues("stored").Inc()
		}
	}
	if worst != nil {
		return nil, i.failed(worst)
	}
	return ids, nil
}

func (i *Ingest) failed(err error) error {
	if p, ok := err.(*Problem); ok {
		i.events.WithLabelValues(p.code).Inc()
	}
	return err
}

// at says which event of several is meant.
func at(n, of int, p *Problem) *Problem {
	if of > 1 {
		p.detail = "event " + strconv.Itoa(n) + ": " + p.detail
	}
	return p
}
