package presence

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	watchers       prometheus.Gauge
	sent, received prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "weft_presence_" + name, Help: help})
		reg.MustRegister(c)
		return c
	}
	m := &metrics{
		watchers: prometheus.NewGauge(prometheus.GaugeOpts{Name: "weft_presence_watchers",
			Help: "Subjects whose presence connections of this node follow, or did until a moment ago."}),
		sent:     counter("hints_sent_total", "Counts of connections that this node told those that follow their presence."),
		received: counter("hints_received_total", "Counts of connections that other nodes told this one."),
	}
	reg.MustRegister(m.watchers)
	return m
}
