package store

import (
	"log/slog"
	"sync"
	"time"

	"weft/jetstream/event"
)

// evictionsEvery is how often it is told that the stream is full.
const evictionsEvery = time.Hour

// evictions watch what the stream's limit by bytes does. Events that go for it go
// before their time: clients that come back for them are told by a reset.
type evictions struct {
	limits  event.Limits
	log     *slog.Logger
	metrics *metrics

	mu    sync.Mutex
	id    event.StreamID
	first uint64
	told  time.Time
}

// see is handed the state of the stream whenever it is known.
func (f *evictions) see(st *State) {
	f.metrics.stream(st)
	f.mu.Lock()
	defer f.mu.Unlock()
	gone := st.First - f.first
	before := f.first > 0 && st.ID == f.id && st.First > f.first
	f.id, f.first = st.ID, st.First
	// The stream makes room for one message at a time.
	full := st.Bytes+event.MaxPayload >= uint64(f.limits.MaxBytes)
	if !before || !full || st.Oldest.IsZero() || time.Since(st.Oldest) >= f.limits.MaxAge {
		return
	}
	f.metrics.pushedOut.Add(float64(gone))
	if time.Since(f.told) > evictionsEvery {
		f.told = time.Now()
		f.log.Warn("the stream is full: events go before events.max_age because of events.max_bytes",
			"oldest", time.Since(st.Oldest).Round(time.Second), "max_age", f.limits.MaxAge, "max_bytes", f.limits.MaxBytes)
	}
}
