package jetstream

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	repairs    prometheus.Counter
	restarts   prometheus.Counter
	misses     prometheus.Counter
	incomplete prometheus.Counter
	busy       prometheus.Counter
	diskFree   prometheus.Gauge
	bytes      prometheus.Gauge
	messages   prometheus.Gauge
	first      prometheus.Gauge
	last       prometheus.Gauge
	oldest     prometheus.Gauge
	pushedOut  prometheus.Counter
	blacklist  prometheus.Gauge
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
	return &metrics{
		repairs:    counter("pipeline_repairs_total", "Times a pipeline stopped because the store did not take an event."),
		restarts:   counter("server_restarts_total", "Restarts of the embedded server because its store was stuck."),
		misses:     counter("misaddressed_total", "Messages published to subjects that cannot be stored."),
		incomplete: counter("asks_incomplete_total", "Questions to the nodes that not every member of the cluster answered."),
		busy:       counter("asks_refused_total", "Questions of nodes that were refused because too many came at once."),
		diskFree:   gauge("disk_free_bytes", "Free space of the data folder."),
		bytes:      gauge("stream_bytes", "Size of the stream EVENTS."),
		messages:   gauge("stream_messages", "Messages in the stream EVENTS, ticks included."),
		first:      gauge("stream_first_sequence", "Oldest sequence of the stream EVENTS."),
		oldest:     gauge("stream_oldest_age_seconds", "Age of the oldest message of the stream EVENTS, ticks included."),
		pushedOut:  counter("stream_pushed_out_total", "Messages that left the stream EVENTS before their age because it was full (events.max_bytes)."),
		last:       gauge("stream_last_sequence", "Newest sequence of the stream EVENTS."),
		blacklist:  gauge("blacklist_entries", "Entries of the blacklist."),
	}
}

func (m *metrics) stream(st *State) {
	m.bytes.Set(float64(st.Bytes))
	m.messages.Set(float64(st.Messages))
	m.last.Set(float64(st.Last))
	m.first.Set(float64(st.First))
	if !st.Oldest.IsZero() {
		m.oldest.Set(time.Since(st.Oldest).Seconds())
	}
}

// staleness shows the age of the blacklist's mirror: NaN before it is known.
func (m *metrics) staleness(reg prometheus.Registerer, b *Blacklist) {
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "weft_jetstream_blacklist_staleness_seconds",
		Help: "Age of the last proof that the node has every entry of the blacklist.",
	}, func() float64 {
		age, ok := b.Staleness()
		if !ok {
			return math.NaN()
		}
		return age.Seconds()
	}))
}
