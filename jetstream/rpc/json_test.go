package rpc_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream/rpc"
)

// newAlone is the RPC of a node without others; it answers itself without being open.
func newAlone(members int) *rpc.RPC {
	return rpc.New(rpc.Params{Node: "n1", Log: slog.New(slog.DiscardHandler), Peers: func() []string { return nil },
		Members: func() int { return members }}, prometheus.NewRegistry())
}

func TestANodeAnswersItselfBeforeItIsOpen(t *testing.T) {
	r := newAlone(3)
	r.Handle("echo", 1, func(_ context.Context, data []byte) []byte { return append([]byte("n1 "), data...) })
	a := r.CallAll(t.Context(), "echo", []byte("x"))
	if len(a.List) != 1 || a.List[0].Node != "n1" || string(a.List[0].Data) != "n1 x" ||
		a.Coverage != (rpc.Coverage{Answered: 1, Expected: 1, Known: 3}) {
		t.Errorf("%+v", a)
	}
	if out, err := r.Call(t.Context(), "n1", "echo", []byte("y")); err != nil || string(out) != "n1 y" {
		t.Errorf("%s, %v", out, err)
	}
	if _, err := r.Call(t.Context(), "n2", "echo", nil); !errors.Is(err, rpc.ErrUnreachable) {
		t.Errorf("another node: %v", err)
	}
	if a := r.CallAll(t.Context(), "unknown", nil); a.Coverage.Complete || len(a.List) != 0 {
		t.Errorf("a method that nobody answers: %+v", a)
	}
}

type question struct{ A, B int }

func TestWhatIsAskedAndSaidKeepsItsType(t *testing.T) {
	r := newAlone(1)
	rpc.HandleJSON(r, "sum", 1, func(_ context.Context, q question) int { return q.A + q.B })
	said, coverage, err := rpc.CallAllJSON[int](t.Context(), r, "sum", question{2, 3})
	if err != nil || len(said) != 1 || said[0] != (rpc.Result[int]{"n1", 5}) || !coverage.Complete {
		t.Errorf("%v, %+v, %v", said, coverage, err)
	}
	if got, err := rpc.CallJSON[int](t.Context(), r, "n1", "sum", question{1, 1}); err != nil || got != 2 {
		t.Errorf("%d, %v", got, err)
	}
}

func TestAnAnswerThatCannotBeReadIsNone(t *testing.T) {
	r := newAlone(1)
	rpc.HandleJSON(r, "sum", 1, func(_ context.Context, q question) string { return "five" })
	said, coverage, err := rpc.CallAllJSON[int](t.Context(), r, "sum", question{2, 3})
	if want := (rpc.Coverage{Expected: 1, Known: 1}); err != nil || len(said) != 0 || coverage != want {
		t.Errorf("%v, %+v, %v", said, coverage, err)
	}
	if _, err := rpc.CallJSON[int](t.Context(), r, "n1", "sum", question{}); !errors.Is(err, rpc.ErrNoAnswer) {
		t.Errorf("%v", err)
	}
	// Nor is a question that cannot be read answered.
	if said, _, _ := rpc.CallAllJSON[string](t.Context(), r, "sum", "two and three"); len(said) != 0 {
		t.Errorf("%v", said)
	}
}
