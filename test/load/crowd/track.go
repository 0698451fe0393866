package crowd

// window is how far behind the newest number a missing one may still come.
const window = 64

// track knows which numbers a subscriber has seen, from 1. The zero value is
// ready.
type track struct {
	last uint32
	seen uint64 // bit i: last-i has been seen

	lost, doubled, overtaken uint32
}

// see counts what is wrong with a number that comes now. A number that is jumped
// over is lost until it comes; then it was overtaken.
func (t *track) see(n uint32) {
	switch ahead := int64(n) - int64(t.last); {
	case n == 0:
		t.doubled++ // there is no event 0
	case ahead > 0:
		t.lost += uint32(ahead - 1)
		t.seen = t.seen<<min(ahead, window) | 1
		t.last = n
	case -ahead < window && t.seen>>uint(-ahead)&1 == 0:
		t.seen |= 1 << uint(-ahead)
		t.overtaken++
		t.lost--
	default:
		t.doubled++
	}
}

// missing is how many of the first sent numbers have not come.
func (t *track) missing(sent uint32) int64 {
	return int64(t.lost) + max(0, int64(sent)-int64(t.last))
}

// Report is what subscribers have seen.
type Report struct {
	Delivered int64
	// Lost, Doubled and Overtaken are deliveries: an event that two subscribers
	// miss counts twice.
	Lost, Doubled, Overtaken int64
	// Stray is events that came to who does not follow their subject.
	Stray int64
	// Dropped is subscribers whose connection ended.
	Dropped int64
	// Latency is from just before an event was published until it was read,
	// since Crowd.Begin.
	Latency Latency
}

// Faults is the sum of all that may not happen.
func (r Report) Faults() int64 {
	return r.Lost + r.Doubled + r.Overtaken + r.Stray + r.Dropped
}

func (r *Report) add(s *shard, sent func(uint32) uint32) {
	for _, u := range s.all {
		r.Lost += u.track.missing(sent(u.subject))
		r.Doubled += int64(u.track.doubled)
		r.Overtaken += int64(u.track.overtaken)
	}
	r.Stray += s.stray
	r.Dropped += s.dropped
	r.Latency.Merge(&s.latency)
	r.Delivered = s.crowd.Delivered()
}
