// Package testlog makes loggers for tests.
package testlog

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

// To logs to the output of a test.
func To(t testing.TB) *slog.Logger { return logger(t.Output()) }

// And logs to the output of a test and to a record.
func And(t testing.TB, r *Record) *slog.Logger { return logger(io.MultiWriter(t.Output(), r)) }

func logger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// A Record keeps what is logged. It may be used concurrently.
type Record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (r *Record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

// Lines are those that were logged.
func (r *Record) Lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Split(strings.TrimSpace(r.text.String()), "\n")
}

// Has reports whether a line holds these words.
func (r *Record) Has(words string) bool {
	for _, l := range r.Lines() {
		if strings.Contains(l, words) {
			return true
		}
	}
	return false
}
