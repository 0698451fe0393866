package store

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	repairs   prometheus.Counter
	bytes     prometheus.Gauge
	messages  prometheus.Gauge
	first     prometheus.Gauge
	last      prometheus.Gauge
	oldest    prometheus.Gauge
	pushedOut prometheus.Counter
	store     prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "weft_jetstream_" + name, Help: help})
		reg.MustRegister(c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "weft_jetstream_" + name, Help: help})
		reg.MustRegister(g)
		return g
	}
	store := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "weft_jetstream_store_seconds",
		Help:    "From when an event that came by HTTP, WebSocket or Kafka was sent to the store to its acknowledgement.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}})
	reg.MustRegister(store)
	return &metrics{
		store:     store,
		repairs:   counter("pipeline_repairs_total", "Times a pipeline stopped because the store did not take an event."),
		bytes:     gauge("stream_bytes", "Size of the stream EVENTS."),
		messages:  gauge("stream_messages", "Messages in the stream EVENTS, ticks included."),
		first:     gauge("stream_first_sequence", "Oldest sequence of the stream EVENTS."),
		oldest:    gauge("stream_oldest_age_seconds", "Age of the oldest message of the stream EVENTS, ticks included."),
		pushedOut: counter("stream_pushed_out_total", "Messages that left the stream EVENTS before their age because it was full (events.max_bytes)."),
		last:      gauge("stream_last_sequence", "Newest sequence of the stream EVENTS."),
	}
}

// stored times an event that is acknowledged and was first sent at began.
func (m *metrics) stored(began time.Time) { m.store.Observe(time.Since(began).Seconds()) }

func (m *metrics) stream(st *State) {
	m.bytes.Set(float64(st.Bytes))
	m.messages.Set(float64(st.Messages))
	m.last.Set(float64(st.Last))
	m.first.Set(float64(st.First))
	if !st.Oldest.IsZero() {
		m.oldest.Set(time.Since(st.Oldest).Seconds())
	}
}
