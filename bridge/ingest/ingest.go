// Package ingest takes events that are published by HTTP, and by a client's
// WebSocket, to the store.
//
// What may be published with POST /_weft/v1/events:
//
//   - a CloudEvent, structured (application/cloudevents+json), in binary form
//     (ce-* headers) or several as a batch (application/cloudevents-batch+json).
//     Whom it is for say its extension attributes user and topic, the latter
//     without its prefix: hotel.42. With both it goes to both.
//     The content type of a structured one may also be application/json.
//   - any other body, with ?user= or ?subject= in the query and an optional
//     ?type=. The query also names the addressee of a CloudEvent that has none.
//   - either with ?rule=: a rule of ingest.rules says whom it is for, and nothing else.
//
// Payloads are stored byte for byte, and Accept returns after all of them are. Who
// sends a CloudEvent, or an Idempotency-Key, may safely send again: within the
// duplicate window it is stored once.
//
// Nothing of a request is stored before all of it has been checked and
// permitted. When the store fails in the middle of a batch, a part may be
// stored: the answer is 503, and the same request again completes it.
//
// A body is looked through once to see that it is JSON and once for the
// attributes, what is stored is a part of it, and the body of an event in binary
// form is not looked at. The bodies of all requests together are bounded: what
// is beyond is refused with 429 (limit). A request that comes slowly holds no
// more than what has come.
package ingest

import (
	"context"
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"weft/bridge"
	"weft/bridge/body"
	"weft/edge/problem"
	"weft/jetstream/event"
	"weft/jetstream/store"
)

// maxEvents bounds the events of one request, copies included.
const maxEvents = 1000

// Store is what Ingest needs of a store.Store.
type Store interface {
	PublishAll(ctx context.Context, events []event.Event) ([]store.Ack, []error)
}

// Ingest takes events. Its methods may be called concurrently.
type Ingest struct {
	cfg    bridge.IngestConfig
	rules  bridge.Rules
	store  Store
	budget body.Budget
	events *prometheus.CounterVec
}

// outcomes are all values of the label outcome.
var outcomes = []string{"stored", "duplicate", "bad_event", "bad_request", "bad_subject", "disk_full", "forbidden", "limit",
	"store_unavailable", "too_large", "unsupported_type"}

// New makes an ingest with the rules that publishers may name.
func New(cfg bridge.IngestConfig, rules bridge.Rules, store Store, reg prometheus.Registerer) *Ingest {
	i := &Ingest{cfg: cfg, rules: rules, store: store, events: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "weft_ingest_events_total",
		Help: "Events published by HTTP and WebSocket; outcome is stored, duplicate, or the code of what went wrong.",
	}, []string{"outcome"})}
	for _, outcome := range outcomes {
		i.events.WithLabelValues(outcome)
	}
	i.budget.Set(int64(cfg.BodiesLimit), problem.New(problem.Limit, "the node holds as many requests as it can; come back later").Retry(comeBack))
	reg.MustRegister(i.events)
	return i
}

// Accept stores the events of r and returns their ids in order, after all are
// stored. publisher is the token's user or the operators; may is asked for each subject
// before anything is stored. Every error is or wraps a *problem.Problem, but
// for ctx's.
func (i *Ingest) Accept(ctx context.Context, r *http.Request, publisher event.Publisher, may func(subject string) bool) ([]string, error) {
	b := i.budget.New()
	defer b.Release()
	events, err := i.read(r, b, publisher, may)
	if err != nil {
		return nil, i.failed(err)
	}
	return i.publish(ctx, events)
}

// AcceptEvent is Accept for one event for one subject; typ is its type, "" for
// none. It has no message id, so that sending it again stores it again. The same
// checks apply.
func (i *Ingest) AcceptEvent(ctx context.Context, publisher event.Publisher, may func(subject string) bool, subject, typ string, data []byte) (string, error) {
	m := message{query: query{subjects: []string{subject}, kind: typ}, publisher: publisher, may: may}
	if err := m.raw(data); err != nil {
		return "", i.failed(err)
	}
	ids, err := i.publish(ctx, m.events)
	if err != nil {
		return "", err
	}
	return ids[0], nil
}

// publish stores events that have been checked.
func (i *Ingest) publish(ctx context.Context, events []event.Event) ([]string, error) {
	acks, errs := i.store.PublishAll(ctx, events)
	ids := make([]string, len(events))
	var fresh, duplicates int
	var worst *failure
	for n := range events {
		switch {
		case errs[n] != nil:
			if p := stored(errs[n]); worst == nil || p.shown.Status > worst.shown.Status {
				worst = p
			}
			continue
		case acks[n].Duplicate:
			duplicates++
		default:
			fresh++
		}
		ids[n] = acks[n].Cursor
	}
	i.events.WithLabelValues("stored").Add(float64(fresh))
	i.events.WithLabelValues("duplicate").Add(float64(duplicates))
	if worst != nil {
		return nil, i.failed(worst)
	}
	return ids, nil
}

func (i *Ingest) failed(err error) error {
	if p, ok := errors.AsType[*problem.Problem](err); ok {
		i.events.WithLabelValues(string(p.Code)).Inc()
	}
	return err
}
