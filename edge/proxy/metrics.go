package proxy

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/problem"
	"weft/edge/route"
)

// An outcome is what became of a request.
type outcome uint8

// The outcomes: the class of the status, unless there is a word for it.
const (
	informed outcome = iota
	succeeded
	redirected
	refused
	failing
	unauthorised
	limited
	oversized
	unavailable
	late
	clientGone
	aborted
	outcomes // how many there are
)

var outcomeNames = [outcomes]string{"1xx", "2xx", "3xx", "4xx", "5xx", "unauthorised", "limited", "too_large", "unavailable", "timeout",
	"client_gone", "aborted"}

// String is the outcome as a label and in logs.
func (o outcome) String() string { return outcomeNames[o] }

// outcomeOf is that of an answer of a target.
func outcomeOf(status int) outcome {
	return min(max(outcome(status/100), 1), 5) - 1
}

// outcomeOfProblem is that of an answer of ours.
func outcomeOfProblem(p *problem.Problem) outcome {
	switch p.Code {
	case problem.TokenMissing, problem.TokenInvalid, problem.TokenExpired, problem.TokenRevoked, problem.Forbidden:
		return unauthorised
	case problem.Limit:
		return limited
	case problem.TooLarge:
		return oversized
	case problem.NotReady, problem.Draining, problem.UpstreamUnavailable:
		return unavailable
	case problem.UpstreamTimeout:
		return late
	}
	return outcomeOf(p.Status)
}

// metrics of requests.
type metrics struct {
	requests *prometheus.CounterVec
	duration map[route.Scheme]prometheus.Observer
	running  map[route.Scheme]prometheus.Gauge
	// unmatched are the requests that no route took.
	unmatched *counts
}

var schemes = []route.Scheme{route.HTTP, route.HTTPS, route.H2C, route.NATS, route.Kafka}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weft_route_requests_total",
			Help: "Requests that are not Weft's own, by route, \"\" when none took it, and what became of them.",
		}, []string{"route", "outcome"}),
		duration: map[route.Scheme]prometheus.Observer{}, running: map[route.Scheme]prometheus.Gauge{},
	}
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "weft_route_duration_seconds",
		Help:    "Time from the head of a request that was forwarded to the end of its answer, or of its upgraded connection.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
	}, []string{"scheme"})
	running := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "weft_route_running",
		Help: "Requests that are being forwarded, upgraded connections included.",
	}, []string{"scheme"})
	for _, s := range schemes {
		m.duration[s], m.running[s] = duration.WithLabelValues(string(s)), running.WithLabelValues(string(s))
	}
	m.unmatched = m.of("")
	for o := range outcomes {
		m.unmatched.of(o)
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, duration, running} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of routes: %w", err)
		}
	}
	return m, nil
}

// counts are the series of a route. They are made when they are needed: there may be
// 10,000 routes.
type counts struct {
	metrics *metrics
	name    string
	series  [outcomes]atomic.Pointer[prometheus.Counter]

	mu   sync.Mutex
	gone bool // the route is; what still runs is not counted any more
}

func (m *metrics) of(name string) *counts { return &counts{metrics: m, name: name} }

// add counts a request.
func (c *counts) add(o outcome) {
	if s := c.of(o); s != nil {
		s.Inc()
	}
}

func (c *counts) of(o outcome) prometheus.Counter {
	if s := c.series[o].Load(); s != nil {
		return *s
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return nil
	}
	s := c.metrics.requests.WithLabelValues(c.name, o.String())
	c.series[o].Store(&s)
	return s
}

// forget drops the series of a route that is gone.
func (m *metrics) forget(name string, c *counts) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	for i := range c.series {
		c.series[i].Store(nil)
	}
	m.requests.DeletePartialMatch(prometheus.Labels{"route": name})
}
