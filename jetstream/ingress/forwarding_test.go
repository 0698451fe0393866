package ingress

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"weft/jetstream/natsconn"
)

// fill gives a forwarding as many messages as it takes without waiting, and returns
// their epoch.
func fill(t *testing.T, f *forwarding) (epoch uint64) {
	t.Helper()
	for i := range window {
		place, e, err := f.enter(t.Context(), forwarded{reply: fmt.Append(nil, "reply ", i)})
		if err != nil || place != uint64(i) {
			t.Fatalf("message %d has place %d, %v", i, place, err)
		}
		epoch = e
	}
	return epoch
}

// An answer that comes after its place was given up is not that of the next message.
func TestALateAnswerIsNotTakenForAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newForwarding(new(natsconn.Conn), new(natsconn.Conn), "_WEFT.x.", func(uint64) string { return "" })
		before := fill(t, f)
		begun := time.Now()
		place, epoch, err := f.enter(t.Context(), forwarded{reply: []byte("another")})
		if err != nil || place != 0 || time.Since(begun) != ackTimeout {
			t.Fatalf("place %d after %v, %v", place, time.Since(begun), err)
		}
		if whom, ok := f.settle(place, before, nil); ok {
			t.Errorf("%s is told of an answer that came too late", whom.reply)
		}
		if whom, ok := f.settle(place, epoch, nil); !ok || string(whom.reply) != "another" {
			t.Errorf("%q is told, %v", whom.reply, ok)
		}
		if whom, ok := f.settle(place, epoch, nil); ok {
			t.Errorf("%s is told twice", whom.reply)
		}
	})
}

// While no more may be on their way, the next one waits for the oldest, whatever else
// is answered.
func TestAMessageWaitsUntilTheOldestIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newForwarding(new(natsconn.Conn), new(natsconn.Conn), "_WEFT.x.", func(uint64) string { return "" })
		fill(t, f)
		entered := make(chan error, 1)
		go func() {
			_, _, err := f.enter(t.Context(), forwarded{})
			entered <- err
		}()
		f.settle(1, 0, nil)
		synctest.Wait()
		if len(entered) > 0 {
			t.Fatal("it does not wait for the oldest")
		}
		f.settle(0, 0, nil)
		synctest.Wait()
		if len(entered) == 0 || <-entered != nil {
			t.Fatal("it waits although there is room")
		}
		ended, cancel := context.WithCancel(t.Context())
		if _, _, err := f.enter(ended, forwarded{}); err != nil { // there were two places
			t.Fatal(err)
		}
		cancel()
		if _, _, err := f.enter(ended, forwarded{}); !errors.Is(err, context.Canceled) {
			t.Errorf("one that is told to end: %v", err)
		}
	})
}

func TestWhatIsOnItsWayIsWaitedForAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newForwarding(new(natsconn.Conn), new(natsconn.Conn), "_WEFT.x.", func(uint64) string { return "" })
		place, epoch, err := f.enter(t.Context(), forwarded{})
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(300*time.Millisecond, func() { f.settle(place, epoch, nil) })
		begun := time.Now()
		if f.drain(time.Second); time.Since(begun) != 300*time.Millisecond {
			t.Errorf("it ends after %v", time.Since(begun))
		}
		if _, _, err := f.enter(t.Context(), forwarded{}); err != nil {
			t.Fatal(err)
		}
		begun = time.Now()
		if f.drain(time.Second); time.Since(begun) != time.Second {
			t.Errorf("it waits %v for an answer that does not come", time.Since(begun))
		}
	})
}
