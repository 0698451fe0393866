package cluster_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"weft/jetstream/api"
	"weft/jetstream/event"
)

func TestANodeThatIsCutOffRefusesAtOnceAndEndsWhatNeedsAMajority(t *testing.T) {
	t.Parallel()
	nodes := open(t, three(t)...)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	brief, done, err := nodes[0].Links().Majority(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	patient, done, err := nodes[0].Links().Majority(ctx, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	for _, n := range nodes[1:] {
		n.close()
	}
	select {
	case <-brief.Done():
	case <-ctx.Done():
		t.Fatal("the context outlives the majority")
	}
	if !errors.Is(context.Cause(brief), api.ErrIsolated) || patient.Err() != nil {
		t.Errorf("causes %v and %v", context.Cause(brief), context.Cause(patient))
	}
	_, err = nodes[0].store.Publish(ctx, event.Event{Subject: "user.ann", ID: event.Operators.KeyID("1", 0)})
	if !errors.Is(err, api.ErrUnavailable) || !errors.Is(err, api.ErrIsolated) {
		t.Errorf("publish: %v", err)
	}
	try, stop := context.WithTimeout(ctx, 10*250*time.Millisecond)
	defer stop()
	if _, _, err := nodes[0].Links().Majority(try, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a majority is there: %v", err)
	}
}
