package kafka

import (
	"log/slog"
	"sync"
	"time"
)

// quiet logs once per cause and minute, and how often it kept silent.
type quiet struct {
	log *slog.Logger
	now func() time.Time

	mu     sync.Mutex
	causes map[string]*silence
}

type silence struct {
	until time.Time
	count int
}

func newQuiet(log *slog.Logger, now func() time.Time) *quiet {
	return &quiet{log: log, now: now, causes: map[string]*silence{}}
}

func (q *quiet) warn(key, msg string, args ...any) {
	now := q.now()
	q.mu.Lock()
	s := q.causes[key]
	if s == nil {
		if len(q.causes) >= maxCauses {
			clear(q.causes)
		}
		s = &silence{}
		q.causes[key] = s
	}
	if now.Before(s.until) {
		s.count++
		q.mu.Unlock()
		return
	}
	args = append(args, "more", s.count)
	s.until, s.count = now.Add(time.Minute), 0
	q.mu.Unlock()
	q.log.Warn(msg, args...)
}
