package main

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
)

func TestActorsEndInReverseOneAfterTheOther(t *testing.T) {
	var ended []string
	g := &group{log: slog.New(slog.DiscardHandler)}
	for _, name := range []string{"node", "hub", "edge"} {
		g.add(name, func(ctx context.Context) error {
			<-ctx.Done()
			ended = append(ended, name) // no lock: they must not overlap, and -race would tell
			return nil
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	g.start()
	cancel()
	g.wait(ctx)
	if err := g.stop(); err != nil {
		t.Fatal(err)
	}
	if want := []string{"edge", "hub", "node"}; !reflect.DeepEqual(ended, want) {
		t.Errorf("ended %q, want %q", ended, want)
	}
}

func TestTheFirstActorToReturnStopsAllAndIsTheError(t *testing.T) {
	broken := errors.New("broken")
	for _, err := range []error{broken, nil} {
		g := &group{log: slog.New(slog.DiscardHandler)}
		g.add("other", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		g.add("hub", func(context.Context) error { return err })
		g.start()
		g.wait(t.Context())
		got := g.stop()
		if got == nil || !strings.Contains(got.Error(), "hub") || err != nil && !errors.Is(got, err) {
			t.Errorf("hub returned %v, got %v", err, got)
		}
	}
}

func TestTeardownRunsInReverseAndJoinsErrors(t *testing.T) {
	var order []string
	var down teardown
	for _, name := range []string{"a", "b"} {
		down.add(name, func() error { order = append(order, name); return errors.New("no") })
	}
	err := down.close()
	if !reflect.DeepEqual(order, []string{"b", "a"}) || err == nil || err.Error() != "close b: no\nclose a: no" {
		t.Errorf("closed %q with %v", order, err)
	}
	if err := down.close(); err != nil {
		t.Errorf("second time: %v", err)
	}
}
