package edge

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
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
	transports  map[string]*transportMetrics
}

// transportMetrics are those of one transport that are touched often.
type transportMetrics struct {
	bytes, connects prometheus.Counter
	connections     prometheus.Gauge
	delivered       func() // counts an event
}

func (m *metrics) of(transport string) *transportMetrics {
	return &transportMetrics{
		bytes: m.bytes.WithLabelValues(transport), delivered: m.events.WithLabelValues(transport).Inc,
		connects: m.connects.WithLabelValues(transport), connections: m.connections.WithLabelValues(transport),
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
	}
	m.transports = map[string]*transportMetrics{}
	for _, name := range []string{nameSSE, nameWebSocket, namePoll} {
		m.transports[name] = m.of(name)
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.connections, m.connects, m.endings, m.refusals, m.events, m.bytes, m.overflows, m.delayed, m.blame, m.requests,
	} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of edge: %w", err)
		}
	}
	return m, nil
}
