package feed

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream/event"
)

type metrics struct {
	ages                                      [event.Sources]prometheus.Observer
	feeds, watermark                          prometheus.Gauge
	gaps, recovered, resyncs, retries, breaks prometheus.Counter
	dropped, replays, exact, resets, forged   prometheus.Counter
	local, filled                             prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "weft_feed_" + name, Help: help})
		reg.MustRegister(c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "weft_feed_" + name, Help: help})
		reg.MustRegister(g)
		return g
	}
	ages := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "weft_feed_event_age_seconds",
		Help: "Age of an event when it is handed to the connections of this node, once for each subject or wildcard that they follow. " +
			"It counts from the record's timestamp for kafka, from when it was stored for http and nats; replays do not count.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800}}, []string{"source"})
	reg.MustRegister(ages)
	m := &metrics{
		feeds:     gauge("feeds", "Subjects that connections of this node follow."),
		watermark: gauge("safe_sequence", "Sequence up to which everything has been handed on."),
		gaps:      counter("gaps_total", "Gaps noticed in a subject and filled from the store."),
		recovered: counter("recovered_total", "Messages whose delivery copy was lost and that were read from the store."),
		resyncs:   counter("rereads_total", "Times the stream was read again from the last safe tick."),
		retries:   counter("retries_total", "Requests to the store that had to be repeated."),
		breaks:    counter("live_breaks_total", "Times the connection that delivery copies come by was lost, or made anew."),
		forged:    counter("forged_total", "Delivery copies found that the stream did not send."),
		dropped:   counter("dropped_total", "Messages not shown because their type is forbidden."),
		replays:   counter("replays_total", "Subjects of returning clients that history was read for."),
		local:     counter("local_reads_total", "Reads of a subject's history that the node's own copy of the stream has answered."),
		filled:    counter("filled_total", "Messages of history that the leader was asked for because the copy that was read did not have them: it lagged, or its node's clock is ahead."),
		exact:     counter("current_total", "Subjects of returning clients that had missed nothing."),
		resets:    counter("resets_total", "Resets told to clients."),
	}
	for s := range event.Sources {
		m.ages[s] = ages.WithLabelValues(s.String())
	}
	return m
}

// delivered times an event on its way to connections. Clocks may be apart.
func (m *metrics) delivered(e *Message) {
	if e.since > 0 {
		m.ages[e.source].Observe(max(0, time.Duration(time.Now().UnixNano()-e.since).Seconds()))
	}
}
