package target

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/bridge/cloudevent"
	"weft/edge/route"
)

const (
	// typeRequest is the type of the events that the log of requests is made of.
	typeRequest = "weft.request"
	// logWaiting bounds how many of them wait for Kafka.
	logWaiting = 4096
	// logTimeout is when one is given up, and logFind when the search for its topic is.
	logTimeout = 30 * time.Second
	logFind    = 5 * time.Second
	// logFlush is for how long the end of the node waits for them.
	logFlush = 2 * time.Second
)

// Results of a record of the log, the values of the label result.
const (
	logWritten = "written"
	logLost    = "lost"
)

// A requestLog writes records of requests to a topic, in the background.
type requestLog struct {
	topic, source string // topic is "" when nothing is to be written
	written, lost prometheus.Counter

	entries chan *record
	pending atomic.Int64  // entries that are not finished
	idle    chan struct{} // has a token when pending has become 0
}

func newRequestLog(reg prometheus.Registerer) *requestLog {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "weft_route_log_records_total",
		Help: "Records of requests for routes_log_topic: written to Kafka, or lost, because Kafka was away or there was no room for more."}, []string{"result"})
	reg.MustRegister(total)
	return &requestLog{written: total.WithLabelValues(logWritten), lost: total.WithLabelValues(logLost),
		entries: make(chan *record, logWaiting), idle: make(chan struct{}, 1)}
}

// LogTo names the topic that records of requests are written to, and the source of these
// events; without a topic none is written. It must be called before Run.
func (k *Kafka) LogTo(topic, source string) { k.requests.topic, k.requests.source = topic, source }

// Log writes a record of a request, as a CloudEvent, in the background. It never blocks:
// what there is no room for is counted and lost.
func (k *Kafka) Log(r *route.Record) {
	l := k.requests
	if l.topic == "" {
		return
	}
	entry := *r
	entry.Seconds = r.Duration.Seconds()
	data, err := json.Marshal(&entry)
	if err != nil || l.pending.Add(1) > logWaiting {
		if err == nil {
			l.finished(nil, false)
		}
		l.lost.Inc()
		return
	}
	e := newRecord(data)
	e.made, e.deadline = r.Began, time.Now().Add(logTimeout)
	e.add("content-type", "application/json")
	e.event(newID(), typeRequest, l.source)
	e.measure()
	e.told = func(err error) { l.finished(err, true) }
	l.entries <- e // there is room for all that are pending
}

// finished is told of each entry; counts says that it was one.
func (l *requestLog) finished(err error, counts bool) {
	switch {
	case !counts:
	case err == nil:
		l.written.Inc()
	default:
		l.lost.Inc()
	}
	if l.pending.Add(-1) == 0 {
		select {
		case l.idle <- struct{}{}:
		default:
		}
	}
}

// run hands entries to the producer until ctx ends.
func (l *requestLog) run(ctx context.Context, p *producer) {
	for {
		select {
		case e := <-l.entries:
			find, cancel := context.WithTimeout(ctx, logFind)
			if err := p.hand(find, l.topic, e); err != nil {
				p.limited.Warn("log "+l.topic, "requests cannot be logged to Kafka", "topic", l.topic, "err", err)
			}
			cancel()
		case <-ctx.Done():
			return
		}
	}
}

// flush waits until all entries are finished, for logFlush at most.
func (l *requestLog) flush() {
	limit := time.NewTimer(logFlush)
	defer limit.Stop()
	for l.pending.Load() > 0 {
		select {
		case <-l.idle:
		case <-limit.C:
			return
		}
	}
}

// event makes the record a CloudEvent in binary mode (Kafka protocol binding, section 3.2).
func (r *record) event(id, kind, source string) {
	for _, a := range [][2]string{
		{"specversion", "1.0"}, {"id", id}, {"type", kind}, {"source", source}, {"time", r.made.UTC().Format(time.RFC3339Nano)},
	} {
		r.add(cloudevent.KafkaPrefix+a[0], a[1])
	}
}
