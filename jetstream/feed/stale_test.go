package feed_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"weft/jetstream/event"
	"weft/jetstream/feed"
)

var errNotAsked = errors.New("not asked")

// A leader whose majority is gone goes on answering for a while. What it has not
// heard of may be stored elsewhere, so it takes no cursor for one of the future, and
// nothing for gone.
func TestALeaderThatIsCutOffJudgesNothing(t *testing.T) {
	t.Parallel()
	members := openCluster(t, 3)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	st, err := members[0].up().node.Store().State(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var leader *site
	for _, m := range members {
		if m.cfg.Node.Name == st.Leader {
			leader = m.up()
		}
	}
	if leader == nil {
		t.Fatalf("nobody is called %q", st.Leader)
	}
	ahead := event.Cursor{Stream: st.ID, Floor: st.Last + 10_000}.String()
	join := func(limit time.Duration) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		c := newClient(t)
		r, err := leader.Follow(ctx, []string{"user.ann"}, feed.Start{LastID: ahead}, c)
		if err != nil {
			return "", err
		}
		r.Close()
		return c.resets[0].Reason, nil
	}
	if reset, err := join(20 * time.Second); reset != feed.ReasonUnknown || err != nil {
		t.Fatalf("with a majority: reset %q, %v; want %q", reset, err, feed.ReasonUnknown)
	}
	next := func(limit time.Duration) (seq uint64, err error) {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		for err = errNotAsked; err != nil && ctx.Err() == nil; {
			seq, err = leader.node.Store().Next(ctx, "user.nobody", 1)
		}
		return seq, err
	}
	if seq, err := next(20 * time.Second); seq != 0 || err != nil {
		t.Fatalf("with a majority the next message of a subject without any is %d, %v", seq, err)
	}
	for _, m := range members {
		if m.cfg.Node.Name != st.Leader {
			m.stop()
		}
	}
	if reset, err := join(3 * time.Second); reset != "" || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("without a majority: reset %q, %v; want none before it is back", reset, err)
	}
	if seq, err := next(3 * time.Second); err == nil {
		t.Fatalf("without a majority the next message of a subject is %d", seq)
	}
}
