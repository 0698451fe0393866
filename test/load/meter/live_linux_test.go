package meter

import (
	"os"
	"testing"
)

func TestProcessorTimeOfProcessesIsAdded(t *testing.T) {
	before := Own()
	for before == 0 { // the first step takes 10 ms of work
		before = Own()
	}
	both, err := CPU(os.Getpid(), os.Getpid())
	if after := Own(); err != nil || both < 2*before || both > 2*after {
		t.Errorf("%v, error %v; want between %v and %v", both, err, 2*before, 2*after)
	}
	if _, err := CPU(os.Getpid(), -1); err == nil {
		t.Error("a process that is not there has used time")
	}
}
