package edge

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/problem"
	"weft/edge/session"
)

// metrics of the edge. The label transport is sse, websocket or poll.
type metrics struct {
	connections *prometheus.GaugeVec
	connects    *prometheus.CounterVec
	endings     *prometheus.CounterVec
	refusals    *prometheus.CounterVec
	events      *prometheus.CounterVec
	bytes       *prometheus.CounterVec
	overflows   prometheus.Counter
	delayed     prometheus.Counter
	blame       *prometheus.CounterVec
	requests    *prometheus.CounterVec
	connecting  *prometheus.HistogramVec
	transports  map[string]*transportMetrics
}

// transportMetrics are those of one transport that are touched often.
type transportMetrics struct {
	bytes, connects prometheus.Counter
	connections     prometheus.Gauge
	delivered       func() // counts an event
	connecting      prometheus.Observer
}

// connected times a client that has its place and whose request was read at begun.
func (m *transportMetrics) connected(begun time.Time) {
	m.connecting.Observe(time.Since(begun).Seconds())
}

func (m *metrics) of(transport string) *transportMetrics {
	return &transportMetrics{
		bytes: m.bytes.WithLabelValues(transport), delivered: m.events.WithLabelValues(transport).Inc,
		connects: m.connects.WithLabelValues(transport), connections: m.connections.WithLabelValues(transport),
		connecting: m.connecting.WithLabelValues(transport),
	}
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
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
		delayed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weft_edge_delayed_total",
			Help: "Clients that were asked to come back later because too many connected at once.",
		}),
		blame:    counter("weft_edge_blame_total", "What clients did wrong, by cause; of each a line a minute is logged.", "listener", "cause"),
		requests: counter("weft_edge_requests_total", "Requests to publish or to change a connection, by problem code; ok for none.", "request", "code"),
		connecting: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "weft_edge_connect_seconds",
			Help:    "From when a request for events was read to when its weft.open was written; of a long poll to when its place was known.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20},
		}, []string{"transport"}),
	}
	m.begin()
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.connections, m.connects, m.endings, m.refusals, m.events, m.bytes, m.overflows, m.delayed, m.blame, m.requests,
		m.connecting,
	} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of edge: %w", err)
		}
	}
	return m, nil
}

// begin makes all series, so that each is at 0 before it rises: what is not there
// has no rate.
func (m *metrics) begin() {
	m.transports = map[string]*transportMetrics{}
	for _, name := range []string{nameSSE, nameWebSocket, namePoll} {
		m.transports[name] = m.of(name)
		for c := range session.Causes {
			m.endings.WithLabelValues(name, c.String())
		}
		for _, code := range problem.Codes() {
			m.refusals.WithLabelValues(name, string(code))
		}
	}
	for _, name := range []string{requestPublish, requestChange} {
		m.requests.WithLabelValues(name, "ok")
		for _, code := range problem.Codes() {
			m.requests.WithLabelValues(name, string(code))
		}
	}
}

// showReady shows whether the node takes new connections.
func showReady(reg prometheus.Registerer, ready func() error) error {
	if reg == nil {
		return nil
	}
	err := reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "weft_edge_ready",
		Help: "1 while the node takes new connections, as /readyz says it; else 0.",
	}, func() float64 {
		if ready() != nil {
			return 0
		}
		return 1
	}))
	if err != nil {
		return fmt.Errorf("register metrics of edge: %w", err)
	}
	return nil
}

// opened is told of each session that begins.
func (e *Edge) opened(s *session.Session) {
	e.deps.Moved()
	about := s.About()
	counts := e.metrics.transports[about.Transport]
	counts.connects.Inc()
	counts.connections.Inc()
	e.log.Debug("connection opened", "conn", about.ID, "transport", about.Transport, "user", s.Identity().User)
}

// ended is told of each that has ended.
func (e *Edge) ended(s *session.Session) {
	e.deps.Moved()
	about, cause := s.About(), s.Cause()
	e.metrics.transports[about.Transport].connections.Dec()
	if cause == session.Slow {
		e.metrics.overflows.Inc()
	}
	e.metrics.endings.WithLabelValues(about.Transport, cause.String()).Inc()
	e.log.Debug("connection ended", "conn", about.ID, "transport", about.Transport, "user", s.Identity().User, "cause", cause)
}
