package standstill

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestOnlyWhatIsMuchTooLateIsLost(t *testing.T) {
	var w Watch
	for _, gap := range []time.Duration{0, every, every + usual} {
		w.see(gap)
	}
	if lost := w.Lost(); lost != 0 {
		t.Errorf("%v are lost", lost)
	}
	w.see(every + 300*time.Millisecond)
	w.see(every + 200*time.Millisecond)
	if lost := w.Lost(); lost != 500*time.Millisecond {
		t.Errorf("%v are lost, want 500ms", lost)
	}
}

func TestAMachineWithNothingElseToDoLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := Begin(t)
		time.Sleep(time.Minute)
		if lost := w.Lost(); lost != 0 {
			t.Errorf("%v are lost", lost)
		}
	})
}
