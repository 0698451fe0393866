package peers

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream"
)

// A node answers itself without being open.
func newNode(t *testing.T) *jetstream.Node {
	cfg := jetstream.Default()
	cfg.Node.Name, cfg.Node.DataDir = "n1", t.TempDir()
	return jetstream.New(cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

type question struct{ A, B int }

func TestWhatIsAskedAndSaidKeepsItsType(t *testing.T) {
	n := newNode(t)
	Handle(n, "sum", 1, func(_ context.Context, q question) int { return q.A + q.B })
	said, tally, err := Ask[int](t.Context(), n, "sum", question{2, 3})
	if err != nil || len(said) != 1 || said[0] != (Said[int]{"n1", 5}) || !tally.Complete {
		t.Errorf("%v, %+v, %v", said, tally, err)
	}
	if got, err := AskNode[int](t.Context(), n, "n1", "sum", question{1, 1}); err != nil || got != 2 {
		t.Errorf("%d, %v", got, err)
	}
}

func TestAnAnswerThatCannotBeReadIsNone(t *testing.T) {
	n := newNode(t)
	Handle(n, "sum", 1, func(_ context.Context, q question) string { return "five" })
	said, tally, err := Ask[int](t.Context(), n, "sum", question{2, 3})
	if want := (jetstream.Tally{Expected: 1, Known: 1}); err != nil || len(said) != 0 || tally != want {
		t.Errorf("%v, %+v, %v", said, tally, err)
	}
	if _, err := AskNode[int](t.Context(), n, "n1", "sum", question{}); !errors.Is(err, jetstream.ErrNoAnswer) {
		t.Errorf("%v", err)
	}
	// Nor is a question that cannot be read answered.
	if said, _, _ := Ask[string](t.Context(), n, "sum", "two and three"); len(said) != 0 {
		t.Errorf("%v", said)
	}
}
