package kafka

import (
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"weft/bridge"
)

// Outcomes of a record, the values of the label outcome.
const (
	outcomePlaced    = "placed"    // its events went to the store
	outcomeKnown     = "known"     // the store had all of them
	outcomeUnplaced  = "unplaced"  // see weft_kafka_unplaced_total
	outcomeTombstone = "tombstone" // a null value
	outcomeExpired   = "expired"   // older than events.max_age
)

type metrics struct {
	records   *prometheus.CounterVec
	unplaced  *prometheus.CounterVec
	letters   *prometheus.CounterVec
	joined    prometheus.Gauge
	joinedNow atomic.Int64
	lag       *lag
}

// Results of a dead letter, the values of the label result.
const (
	letterWritten = "written"
	letterRefused = "refused"
)

// newMetrics makes all series that can be known of the sources, so that each is at
// 0 before it rises: what is not there has no rate.
func newMetrics(sources []bridge.Source, reg prometheus.Registerer) *metrics {
	m := &metrics{
		records: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "weft_kafka_records_total",
			Help: "Records read from Kafka, by topic and by what became of them."}, []string{"topic", "outcome"}),
		unplaced: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "weft_kafka_unplaced_total",
			Help: "Records that no rule could place, by topic and cause."}, []string{"topic", "cause"}),
		letters: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "weft_kafka_dead_letters_total",
			Help: "Dead letters, by their topic; result is written, or refused for good by Kafka."}, []string{"topic", "result"}),
		joined: prometheus.NewGauge(prometheus.GaugeOpts{Name: "weft_kafka_joined_members",
			Help: "Members of this process in the consumer group; 0: Kafka is away."}),
		lag: &lag{claims: map[*claim]struct{}{}, desc: prometheus.NewDesc("weft_kafka_lag_records",
			"Records of a claimed partition that are not yet settled: high water mark less next offset to commit.",
			[]string{"topic", "partition"}, nil)},
	}
	for _, s := range sources {
		for _, outcome := range []string{outcomePlaced, outcomeKnown, outcomeUnplaced, outcomeTombstone, outcomeExpired} {
			m.records.WithLabelValues(s.Topic, outcome)
		}
		for _, cause := range bridge.Causes {
			m.unplaced.WithLabelValues(s.Topic, string(cause))
		}
		if s.DeadLetter != "" {
			m.letters.WithLabelValues(s.DeadLetter, letterWritten)
			m.letters.WithLabelValues(s.DeadLetter, letterRefused)
		}
	}
	reg.MustRegister(m.records, m.unplaced, m.letters, m.joined, m.lag)
	return m
}

func (m *metrics) join()  { m.joinedNow.Add(1); m.joined.Inc() }
func (m *metrics) leave() { m.joinedNow.Add(-1); m.joined.Dec() }

// lag reads the claims when it is asked.
type lag struct {
	desc *prometheus.Desc

	mu     sync.Mutex
	claims map[*claim]struct{}
}

func (l *lag) add(c *claim) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.claims[c] = struct{}{}
}

func (l *lag) remove(c *claim) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.claims, c)
}

// of lists the claims of a session.
func (l *lag) of(s *session) (claims []*claim) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.claims {
		if c.session == s {
			claims = append(claims, c)
		}
	}
	return claims
}

// Describe implements prometheus.Collector.
func (l *lag) Describe(out chan<- *prometheus.Desc) { out <- l.desc }

// Collect implements prometheus.Collector.
func (l *lag) Collect(out chan<- prometheus.Metric) {
	type reading struct {
		topic, partition string
		behind           int64
	}
	var readings []reading
	l.mu.Lock()
	for c := range l.claims {
		if behind, known := c.behind(); known {
			readings = append(readings, reading{c.topic, strconv.Itoa(int(c.partition)), behind})
		}
	}
	l.mu.Unlock()
	seen := map[string]bool{} // a claim that ends may overlap its successor
	for _, r := range readings {
		if key := r.topic + "/" + r.partition; !seen[key] {
			seen[key] = true
			out <- prometheus.MustNewConstMetric(l.desc, prometheus.GaugeValue, float64(r.behind), r.topic, r.partition)
		}
	}
}
