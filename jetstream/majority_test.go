package jetstream

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
	nodes := openCluster(t, clusterConfigs(t, 3, 3))
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	brief, done, err := nodes[0].Cluster().Links().Majority(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	patient, done, err := nodes[0].Cluster().Links().Majority(ctx, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	for _, n := range nodes[1:] {
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-brief.Done():
	case <-ctx.Done():
		t.Fatal("the context outlives the majority")
	}
	if !errors.Is(context.Cause(brief), api.ErrIsolated) || patient.Err() != nil {
		t.Errorf("causes %v and %v", context.Cause(brief), context.Cause(patient))
	}
	_, err = nodes[0].Store().Publish(ctx, event.Event{Subject: "user.ann", ID: event.Operators.KeyID("1", 0)})
	if !errors.Is(err, api.ErrUnavailable) || !errors.Is(err, api.ErrIsolated) {
		t.Errorf("publish: %v", err)
	}
	try, stop := context.WithTimeout(ctx, 10*250*time.Millisecond)
	defer stop()
	if _, _, err := nodes[0].Cluster().Links().Majority(try, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a majority is there: %v", err)
	}
}
