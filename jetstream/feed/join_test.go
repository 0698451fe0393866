package feed_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"weft/jetstream/api"
	"weft/jetstream/feed"
)

// unreachable makes a subject with one event after the cursor that is returned,
// and a store that does not answer.
func unreachable(t *testing.T) (h *site, cursor string) {
	h = open(t, nil)
	c, _ := follow(t, h, "", "user.ann")
	publish(t, h, "user.ann", 1, 1)
	c.untilEvents(1)
	cursor = c.lastID()
	publish(t, h, "user.ann", 2, 1)
	c.untilEvents(2)
	h.waitWatermark(t) // else whether the cursor is of the future had to be asked first
	if err := h.node.Close(); err != nil {
		t.Fatal(err)
	}
	return h, cursor
}

func (h *site) untilTwoFollow(t *testing.T, ctx context.Context) {
	t.Helper()
	for h.Connections("user.ann") < 2 {
		if api.Sleep(ctx, time.Millisecond); ctx.Err() != nil {
			t.Fatal("the second connection does not wait for its history")
		}
	}
}

func TestAConnectionThatWaitedInVainForItsHistoryLetsGo(t *testing.T) {
	t.Parallel()
	h, cursor := unreachable(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	r, err := h.Follow(ctx, []string{"user.ann"}, feed.Start{LastID: cursor}, newClient(t))
	if r != nil || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("without an answer: %v, %v; want %v", r, err, context.DeadlineExceeded)
	}
	if n := h.Connections("user.ann"); n != 1 {
		t.Errorf("%d connections follow the subject; want the first alone", n)
	}
}

func TestClosingTheHubEndsTheWaitForAHistory(t *testing.T) {
	t.Parallel()
	h, cursor := unreachable(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := h.Follow(ctx, []string{"user.ann"}, feed.Start{LastID: cursor}, newClient(t))
		ended <- err
	}()
	h.untilTwoFollow(t, ctx)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, feed.ErrClosed) {
		t.Fatalf("the wait ended with %v; want %v", err, feed.ErrClosed)
	}
}
