package kafka

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestLeaseLastsAsLongAsHeartbeatsAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var silent atomic.Bool
		lost := make(chan time.Time, 1)
		l := newLease(6*time.Second, time.Second, func() (bool, error) {
			if silent.Load() {
				return false, errors.New("no answer")
			}
			return false, nil
		}, func() { lost <- time.Now() })
		defer l.end()
		time.Sleep(time.Minute)
		if !l.valid() {
			t.Fatal("lost with all heartbeats answered")
		}
		synctest.Wait()
		silent.Store(true)
		began := time.Now()
		if took := (<-lost).Sub(began); took > 6*time.Second || took < 5*time.Second {
			t.Errorf("lost after %v", took)
		}
		if l.valid() {
			t.Error("still valid")
		}
	})
}

func TestLeaseCountsFromWhenAHeartbeatWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := true
		l := newLease(6*time.Second, time.Second, func() (bool, error) {
			if first {
				first = false
				time.Sleep(4 * time.Second) // sent at 1 s, answered at 5 s
				return false, nil
			}
			time.Sleep(time.Hour) // hangs
			return false, errors.New("no answer")
		}, func() {})
		time.Sleep(7*time.Second - time.Millisecond)
		if !l.valid() {
			t.Error("lost early")
		}
		time.Sleep(2 * time.Millisecond)
		if l.valid() {
			t.Error("valid for longer than the broker waits")
		}
		l.end()
	})
}

func TestLeaseEndsAtOnceWhenTheGroupDoesNotKnowTheMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := make(chan struct{})
		l := newLease(time.Hour, time.Second, func() (bool, error) { return true, errors.New("unknown") }, func() { close(lost) })
		<-lost
		if l.valid() {
			t.Error("still valid")
		}
		l.end()
	})
}

func TestLeaseThatIsGivenUpIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLease(time.Second, time.Hour, func() (bool, error) { return false, nil }, func() { t.Error("lost") })
		l.end()
		synctest.Wait()
		if l.valid() {
			t.Error("valid after its end")
		}
	})
}
