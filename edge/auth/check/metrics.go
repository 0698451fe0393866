package check

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Causes for which nobody was asked.
const (
	unaskedCircuit = "circuit"
	unaskedFull    = "full"
)

type metrics struct {
	asked    *prometheus.CounterVec
	cached   prometheus.Counter
	unasked  *prometheus.CounterVec
	inFlight prometheus.Gauge
	seconds  prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		asked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weft_auth_check_asked_total",
			Help: "Questions to auth.check, by what it said: allowed, refused, unexpected (another status), or silent (no answer).",
		}, []string{"said"}),
		cached: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "weft_auth_check_cached_total",
			Help: "Decisions by an answer of auth.check that still counts.",
		}),
		unasked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "weft_auth_check_unasked_total",
			Help: "Refusals without asking auth.check, by cause: circuit (it does not answer), or full (no turn in time).",
		}, []string{"cause"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "weft_auth_check_in_flight",
			Help: "Questions that auth.check has not answered yet.",
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "weft_auth_check_seconds",
			Help:    "How long auth.check takes to answer.",
			Buckets: []float64{0.001, 0.005, 0.02, 0.1, 0.5, 2},
		}),
	}
	for _, v := range []verdict{allows, refuses, odd, silent} {
		m.asked.WithLabelValues(string(v))
	}
	for _, cause := range []string{unaskedCircuit, unaskedFull} {
		m.unasked.WithLabelValues(cause)
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.asked, m.cached, m.unasked, m.inFlight, m.seconds} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of auth.check: %w", err)
		}
	}
	return m, nil
}

// began counts a question until it is over.
func (m *metrics) began() (over func()) {
	m.inFlight.Inc()
	start := time.Now()
	return func() {
		m.inFlight.Dec()
		m.seconds.Observe(time.Since(start).Seconds())
	}
}
