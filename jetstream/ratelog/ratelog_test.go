package ratelog

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func newLog() (l *Log, written *bytes.Buffer, pass func(time.Duration)) {
	written = &bytes.Buffer{}
	now := time.Now()
	l = New(slog.New(slog.NewTextHandler(written, nil)), func() time.Time { return now })
	return l, written, func(d time.Duration) { now = now.Add(d) }
}

func TestACauseIsToldOnceAMinuteWithTheNumberThatWasLeftOut(t *testing.T) {
	l, written, pass := newLog()
	count := func(s string) int { return strings.Count(written.String(), s) }
	for range 10 {
		l.Warn("a", "about a", "k", 1)
		l.Error("b", "about b")
	}
	if count("about a") != 1 || count("about b") != 1 || count("more=0") != 2 {
		t.Errorf("at once:\n%s", written)
	}
	pass(Every - 1)
	l.Warn("a", "about a")
	pass(1)
	l.Warn("a", "about a")
	if count("about a") != 2 || count("about b") != 1 || count("more=10") != 1 {
		t.Errorf("after a minute:\n%s", written)
	}
	if count("level=WARN") != 2 || count("level=ERROR") != 1 || count("k=1") != 1 {
		t.Errorf("levels and arguments:\n%s", written)
	}
}

// Who finds a way to choose causes can neither fill the memory nor the log.
func TestCausesAreBounded(t *testing.T) {
	l, written, pass := newLog()
	for round := range 3 {
		written.Reset()
		for i := range 10 * maxCauses {
			l.Warn(fmt.Sprintf("%d of round %d", i, round), "line")
		}
		if n := strings.Count(written.String(), "line"); n > maxCauses+1 || n < 1 {
			t.Errorf("round %d: %d lines", round, n)
		}
		if n := len(l.causes); n > maxCauses+1 {
			t.Errorf("round %d: %d causes are remembered", round, n)
		}
		pass(Every)
	}
}
