package jetstream

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	repairs    prometheus.Counter
	restarts   prometheus.Counter
	misses     prometheus.Counter
	incomplete prometheus.Counter
	busy       prometheus.Counter
	diskFree   prometheus.Gauge
	bytes      prometheus.Gauge
	messages   prometheus.Gauge
	last       prometheus.Gauge
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
		last:       gauge("stream_last_sequence", "Newest sequence of the stream EVENTS."),
		blacklist:  gauge("blacklist_entries", "Entries of the blacklist."),
	}
}

func (m *metrics) stream(st State) {
	m.bytes.Set(float64(st.Bytes))
	m.messages.Set(float64(st.Messages))
	m.last.Set(float64(st.Last))
}
