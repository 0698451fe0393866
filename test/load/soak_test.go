package main

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"weft/test/client"
)

func TestAVisitorCountsWhatIsLostAndDoubled(t *testing.T) {
	counts := tally{out: io.Discard}
	v := &visitor{tally: &counts, last: -1}
	for _, data := range []string{`{"number":7}`, `{"number":8}`, `{"number":8}`, `{"number":11}`, `{"number":10}`, `no number`, `{"number":12}`} {
		v.take([]byte(data))
	}
	if lost, doubled, failed, events := counts.lost.Load(), counts.doubled.Load(), counts.failed.Load(), counts.events.Load(); lost != 2 || doubled != 2 || failed != 1 || events != 6 {
		t.Errorf("lost %d, doubled %d, failed %d of %d", lost, doubled, failed, events)
	}
	if counts.err == nil {
		t.Error("the first fault is not kept")
	}
}

func TestAVisitThatIsOverDidNotFail(t *testing.T) {
	v := &visitor{}
	broken := errors.New("broken")
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	if err := v.over(ctx, broken); !errors.Is(err, broken) {
		t.Errorf("a connection that broke: %v", err)
	}
	if err := v.over(ctx, &client.StatusError{Status: 503}); err != nil {
		t.Errorf("a gateway that asks to come back later: %v", err)
	}
	if err := v.over(ctx, &client.StatusError{Status: 401}); err == nil {
		t.Error("a refused token is no failure")
	}
	cancel()
	if err := v.over(ctx, broken); err != nil {
		t.Errorf("a visit whose time is over: %v", err)
	}
}

func TestANodeIsAsBeforeWhenNoConnectionIsLeft(t *testing.T) {
	before := sample{goroutines: 110, files: 24}
	if !isAsBefore(before, sample{goroutines: 115, files: 26}) {
		t.Error("a few more are of the node itself")
	}
	if isAsBefore(before, sample{goroutines: 160, files: 24}) || isAsBefore(before, sample{goroutines: 110, files: 60}) {
		t.Error("what is left is not seen")
	}
}

func TestGrowthIsJudgedOfWhatHasSettled(t *testing.T) {
	for length, first := range map[time.Duration]time.Duration{
		time.Hour:        16 * time.Minute, // a quarter is longer than a warm-up
		10 * time.Minute: 3*time.Minute + 10*time.Second,
		4 * time.Minute:  2*time.Minute + 4*time.Second, // half of a short one
	} {
		every := length / 60
		var samples []sample
		for at := every; at < length; at += every {
			samples = append(samples, sample{at: at})
		}
		if left := soaked(samples, length); left[0].at != first || left[len(left)-1].at != length-every {
			t.Errorf("%v: from %v to %v", length, left[0].at, left[len(left)-1].at)
		}
	}
	if left := soaked([]sample{{at: time.Second}}, time.Hour); len(left) > 0 {
		t.Errorf("of one look: %v", left)
	}
}
