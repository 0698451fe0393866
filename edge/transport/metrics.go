package transport

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/problem"
	"weft/edge/session"
)

// Metrics of all transports. The label transport is a transport's name.
type Metrics struct {
	connections *prometheus.GaugeVec
	connects    *prometheus.CounterVec
	endings     *prometheus.CounterVec
	refusals    *prometheus.CounterVec
	events      *prometheus.CounterVec
	bytes       *prometheus.CounterVec
	overflows   prometheus.Counter
	connecting  *prometheus.HistogramVec
	counters    map[string]*counters
}

// counters are the metrics of one transport that are touched often.
type counters struct {
	bytes, connects prometheus.Counter
	connections     prometheus.Gauge
	delivered       func() // counts an event
	connecting      prometheus.Observer
}

// connected times a client whose position is known and whose request was read at since.
func (c *counters) connected(since time.Time) {
	c.connecting.Observe(time.Since(since).Seconds())
}

// NewMetrics makes and registers them. reg may be nil.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		connections: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "weft_edge_connections",
			Help: "Open connections.",
		}, []string{"transport"}),
		connects: counter("weft_edge_connects_total", "Connections that were let in.", "transport"),
		endings:  counter("weft_edge_endings_total", "Connections that ended, by cause.", "transport", "cause"),
		refusals: counter("weft_edge_refusals_total", "Requests for events that were refused, by problem code.", "transport", "code"),
		events:   counter("weft_edge_deliveries_total", "Events that were handed to connections.", "transport"),
		bytes:    counter("weft_edge_sent_bytes_total", "Bytes of events and Weft's own frames that were sent.", "transport"),
		overflows: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weft_edge_queue_overflows_total",
			Help: "Connections that ended because their queue was full or they took nothing for too long.",
		}),
		connecting: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "weft_edge_connect_seconds",
			Help:    "From when a request for events was read to when its weft.open was written; of a long poll to when its place was known.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20},
		}, []string{"transport"}),
		counters: map[string]*counters{},
	}
	for _, t := range makers {
		m.begin(t.name)
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.connections, m.connects, m.endings, m.refusals, m.events, m.bytes, m.overflows, m.connecting,
	} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of transports: %w", err)
		}
	}
	return m, nil
}

// begin makes all series of a transport, so that each is at 0 before it rises: what is
// not there has no rate.
func (m *Metrics) begin(name string) {
	m.counters[name] = &counters{
		bytes: m.bytes.WithLabelValues(name), delivered: m.events.WithLabelValues(name).Inc,
		connects: m.connects.WithLabelValues(name), connections: m.connections.WithLabelValues(name),
		connecting: m.connecting.WithLabelValues(name),
	}
	for c := range session.Causes {
		m.endings.WithLabelValues(name, c.String())
	}
	for _, code := range problem.Codes() {
		m.refusals.WithLabelValues(name, string(code))
	}
}

// Refused counts a client that was not let in.
func (m *Metrics) Refused(t Transport, code problem.Code) {
	m.refusals.WithLabelValues(t.Name(), string(code)).Inc()
}

// Opened counts a session that begins.
func (m *Metrics) Opened(s *session.Session) {
	c := m.counters[s.About().Transport]
	c.connects.Inc()
	c.connections.Inc()
}

// Closed counts one that has ended.
func (m *Metrics) Closed(s *session.Session) {
	name, cause := s.About().Transport, s.Cause()
	m.counters[name].connections.Dec()
	if cause == session.Slow {
		m.overflows.Inc()
	}
	m.endings.WithLabelValues(name, cause.String()).Inc()
}
