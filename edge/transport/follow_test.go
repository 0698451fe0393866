package transport

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestTheTimeoutOfAConnectionComesInTwoSteps(t *testing.T) {
	for at, want := range map[time.Duration][2]bool{
		headWait / 2:                      {false, false},
		headWait + followTime/2:           {true, false},
		headWait + followTime + time.Hour: {true, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			var got [2]bool
			p := startTimeout(func() { got[0] = true }, func() { got[1] = true })
			time.Sleep(at)
			p.stop()
			time.Sleep(2 * followTime)
			if got != want {
				t.Errorf("stopped after %v: late, cancelled %v, want %v", at, got, want)
			}
		})
	}
}
