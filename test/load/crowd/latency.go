package crowd

import (
	"math/bits"
	"time"
)

// Latency counts durations in buckets that are at most 1/32 wide, so a quantile
// is exact to about three per cent. The zero value is ready.
type Latency struct {
	n       int64
	buckets [64 * steps]uint32
}

// steps is how many buckets there are from one power of two to the next.
const steps = 32

// Add counts one; below zero counts as zero.
func (l *Latency) Add(d time.Duration) {
	l.n++
	l.buckets[bucket(uint64(max(0, d)))]++
}

// Merge adds what other has counted.
func (l *Latency) Merge(other *Latency) {
	l.n += other.n
	for i, n := range other.buckets {
		l.buckets[i] += n
	}
}

// Quantile is the duration that the share q of all is not above: Quantile(0.99).
// It is 0 when nothing was counted.
func (l *Latency) Quantile(q float64) time.Duration {
	rank, sum := int64(q*float64(l.n)), int64(0)
	for i, n := range l.buckets {
		if sum += int64(n); sum > rank || n > 0 && sum == l.n {
			return time.Duration(least(i))
		}
	}
	return 0
}

func bucket(v uint64) int {
	if v < steps {
		return int(v)
	}
	shift := bits.Len64(v) - 6
	return (shift+1)*steps + int(v>>shift) - steps
}

// least is the least value of a bucket.
func least(b int) uint64 {
	if b < steps {
		return uint64(b)
	}
	shift := b/steps - 1
	return uint64(b%steps+steps) << shift
}
