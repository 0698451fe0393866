package edge

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/problem"
	"weft/edge/session"
	"weft/edge/transport"
	"weft/jetstream/subject"
)

// metrics of the edge, beside those of its parts.
type metrics struct {
	delayed  prometheus.Counter
	blame    *prometheus.CounterVec
	requests *prometheus.CounterVec

	transports *transport.Metrics
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		delayed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weft_edge_delayed_total",
			Help: "Clients that were asked to come back later because too many connected at once.",
		}),
		blame: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weft_edge_blame_total",
			Help: "What clients did wrong, by cause; of each a line a minute is logged.",
		}, []string{"listener", "cause"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weft_edge_requests_total",
			Help: "Requests to publish, to change a connection or for what a token grants, by problem code; ok for none.",
		}, []string{"request", "code"}),
	}
	var err error
	if m.transports, err = transport.NewMetrics(reg); err != nil {
		return nil, err
	}
	// All series begin at 0: what is not there has no rate.
	for _, name := range []string{requestPublish, requestChange, requestMe} {
		m.requests.WithLabelValues(name, "ok")
		for _, code := range problem.Codes() {
			m.requests.WithLabelValues(name, string(code))
		}
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.delayed, m.blame, m.requests} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of edge: %w", err)
		}
	}
	return m, nil
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
	e.seen(s)
	e.metrics.transports.Opened(s)
	about := s.About()
	e.log.Debug("connection opened", "conn", about.ID, "transport", about.Transport, "user", s.Identity().User)
}

// ended is told of each that has ended.
func (e *Edge) ended(s *session.Session) {
	e.deps.Moved()
	e.seen(s)
	e.metrics.transports.Closed(s)
	about := s.About()
	e.log.Debug("connection ended", "conn", about.ID, "transport", about.Transport, "user", s.Identity().User, "cause", s.Cause())
}

// seen lets those hear who follow the presence of a session's user. Of topics the feeds
// tell themselves.
func (e *Edge) seen(s *session.Session) {
	if inbox, err := subject.OfUser(s.Identity().User); err == nil {
		e.deps.Node.Presence.Changed(inbox)
	}
}
