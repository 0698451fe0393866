// Package ratelog is a rate-limited log: for what others can make a program say,
// such as who cannot log in. It writes one line per cause and minute, with the
// number of those that were left out since the one before. What is counted
// exactly is for a metric to show.
package ratelog

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// Every is how often a cause is told at most.
	Every = time.Minute
	// maxCauses bounds how many causes are told apart within that time. Those
	// beyond share one.
	maxCauses = 256
)

// A Log writes the lines. Its methods may be called concurrently.
type Log struct {
	log *slog.Logger
	now func() time.Time

	mu     sync.Mutex
	causes map[string]*silence
}

// A silence follows a line.
type silence struct {
	until time.Time
	count int // what was left out
}

// New makes a Log that writes to log; now is time.Now but in tests.
func New(log *slog.Logger, now func() time.Time) *Log {
	return &Log{log: log, now: now, causes: map[string]*silence{}}
}

// Warn writes a line unless one of its cause was written within the last minute.
// A cause is one of a few names; one that a stranger can choose belongs into args.
func (l *Log) Warn(cause, msg string, args ...any) { l.write(slog.LevelWarn, cause, msg, args) }

// Info is Warn for what is no trouble of ours.
func (l *Log) Info(cause, msg string, args ...any) { l.write(slog.LevelInfo, cause, msg, args) }

// Error is Warn for what should not be.
func (l *Log) Error(cause, msg string, args ...any) { l.write(slog.LevelError, cause, msg, args) }

func (l *Log) write(level slog.Level, cause, msg string, args []any) {
	left, ok := l.speak(cause)
	if !ok {
		return
	}
	args = append(args[:len(args):len(args)], "more", left)
	l.log.Log(context.Background(), level, msg, args...)
}

// speak reports whether a line of this cause is due, and how many were left out.
func (l *Log) speak(cause string) (left int, ok bool) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.causes[cause]
	if s == nil {
		s = l.enter(cause, now)
	}
	if now.Before(s.until) {
		s.count++
		return 0, false
	}
	left = s.count
	s.until, s.count = now.Add(Every), 0
	return left, true
}

// enter remembers a cause. Those that may speak again anyway make room; when
// there is none, it shares the silence of all that came too late.
func (l *Log) enter(cause string, now time.Time) *silence {
	if len(l.causes) >= maxCauses {
		for c, s := range l.causes {
			if !now.Before(s.until) {
				delete(l.causes, c)
			}
		}
	}
	if len(l.causes) >= maxCauses {
		cause = ""
	}
	s := l.causes[cause]
	if s == nil {
		s = &silence{}
		l.causes[cause] = s
	}
	return s
}
