package jetstream

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	repairs   prometheus.Counter
	restarts  prometheus.Counter
	misses    prometheus.Counter
	refusals  *prometheus.CounterVec
	diskFree  prometheus.Gauge
	bytes     prometheus.Gauge
	messages  prometheus.Gauge
	first     prometheus.Gauge
	last      prometheus.Gauge
	oldest    prometheus.Gauge
	pushedOut prometheus.Counter
	store     prometheus.Histogram
	leader    *prometheus.GaugeVec
	lagging   *prometheus.GaugeVec
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
	vector := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "weft_jetstream_" + name, Help: help}, labels)
		reg.MustRegister(g)
		return g
	}
	store := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "weft_jetstream_store_seconds",
		Help:    "From when an event that came by HTTP, WebSocket or Kafka was sent to the store to its acknowledgement.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}})
	reg.MustRegister(store)
	refusals := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "weft_jetstream_publishes_refused_total",
		Help: "Messages of NATS publishers that were not stored, by cause."}, []string{"cause"})
	reg.MustRegister(refusals)
	for _, cause := range refusedCauses {
		refusals.WithLabelValues(cause)
	}
	m := &metrics{
		refusals:  refusals,
		store:     store,
		leader:    vector("leader", "1 while this node leads the group: the cluster (meta), the stream or a bucket. A standalone node leads all.", "group"),
		lagging:   vector("lagging_copies", "Copies on other nodes that are away or not current, of a group that this node leads; else 0.", "group"),
		repairs:   counter("pipeline_repairs_total", "Times a pipeline stopped because the store did not take an event."),
		restarts:  counter("server_restarts_total", "Restarts of the embedded server because its store was stuck."),
		misses:    counter("misaddressed_total", "Messages of NATS publishers whose subject cannot be stored."),
		diskFree:  gauge("disk_free_bytes", "Free space of the data folder."),
		bytes:     gauge("stream_bytes", "Size of the stream EVENTS."),
		messages:  gauge("stream_messages", "Messages in the stream EVENTS, ticks included."),
		first:     gauge("stream_first_sequence", "Oldest sequence of the stream EVENTS."),
		oldest:    gauge("stream_oldest_age_seconds", "Age of the oldest message of the stream EVENTS, ticks included."),
		pushedOut: counter("stream_pushed_out_total", "Messages that left the stream EVENTS before their age because it was full (events.max_bytes)."),
		last:      gauge("stream_last_sequence", "Newest sequence of the stream EVENTS."),
	}
	for _, name := range groupNames {
		m.leader.WithLabelValues(name)
		m.lagging.WithLabelValues(name)
	}
	return m
}

// stored times an event that is acknowledged and was first sent at began.
func (m *metrics) stored(began time.Time) { m.store.Observe(time.Since(began).Seconds()) }

// measure shows what is read when it is asked for.
func (n *Node) measure(reg prometheus.Registerer) {
	show := func(name, help string, value func() float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "weft_jetstream_" + name, Help: help}, value))
	}
	show("links", "Other nodes that this one is linked to.", func() float64 { up, _ := n.links(); return float64(up) })
	show("links_expected", "Other nodes that this one should be linked to.", func() float64 { _, all := n.links(); return float64(all) })
	show("disk_floor_bytes", "Free space of the data folder below which events are refused (node.min_free).",
		func() float64 { return float64(n.cfg.Node.MinFree) })
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
