package feed_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"weft/jetstream"
	"weft/jetstream/feed"
	"weft/jetstream/store"
)

// since is a Start that begins with what is stored; all for all of it.
func since(at time.Time) feed.Start { return feed.Start{Since: at} }

var all = since(time.Unix(0, 0))

func followFrom(t testing.TB, h *site, start feed.Start, subjects ...string) (*gated, *feed.Reader) {
	t.Helper()
	g := &gated{newClient(t), make(chan struct{})}
	r, err := h.Follow(t.Context(), subjects, start, g)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return g, r
}

// storedAt is when the events of a subject were stored, in their order.
func (h *site) storedAt(t testing.TB, subject string) (at []time.Time) {
	t.Helper()
	b, err := h.node.Store().Read(t.Context(), subject, 1, store.MaxBatch, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.Messages {
		at = append(at, b.Messages[i].Time())
	}
	return at
}

// had waits until a client has exactly these events, and no resets.
func (g *gated) had(t testing.TB, what, resume string, events []string) {
	t.Helper()
	g.untilEvents(len(events))
	g.until("the end of history", func() bool { return g.caught > 0 })
	got := g.seen()
	slices.Sort(got)
	slices.Sort(events)
	want(t, what, got, events)
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.resets) > 0 || g.opened.Resume != resume {
		t.Errorf("%s: it begins as %s, with resets %v", what, g.opened.Resume, g.resets)
	}
}

func TestWhoAsksForThePastGetsWhatIsNotOlder(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	publish(t, h, "user.ann", 1, 5)
	publish(t, h, "topic.a.x", 1, 5)
	publish(t, h, "user.ann", 6, 3)
	publish(t, h, "topic.a.y", 1, 2)
	ann, x := h.storedAt(t, "user.ann"), h.storedAt(t, "topic.a.x")
	for what, c := range map[string]struct {
		start    feed.Start
		subjects []string
		want     []string
	}{
		"one subject, all":               {all, []string{"user.ann"}, numbered("user.ann", 1, 8)},
		"one subject, from an event on":  {since(ann[2]), []string{"user.ann"}, numbered("user.ann", 3, 8)},
		"one subject, from behind it on": {since(ann[2].Add(1)), []string{"user.ann"}, numbered("user.ann", 4, 8)},
		"one of which nothing is stored": {all, []string{"user.bob"}, nil},
		"one that is older":              {since(x[4].Add(1)), []string{"topic.a.x"}, nil},
		"a time long ago":                {since(time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC)), []string{"user.ann"}, numbered("user.ann", 1, 8)},
		"a time to come":                 {since(time.Now().Add(time.Hour)), []string{"user.ann"}, nil},
		"several subjects": {since(x[1]), []string{"user.ann", "topic.a.x", "user.bob", "topic.a.y"},
			slices.Concat(numbered("user.ann", 6, 8), numbered("topic.a.x", 2, 5), numbered("topic.a.y", 1, 2))},
		"a wildcard":             {since(x[3]), []string{"topic.a.*"}, slices.Concat(numbered("topic.a.x", 4, 5), numbered("topic.a.y", 1, 2))},
		"a wildcard and a topic": {all, []string{"topic.a.*", "topic.a.x", "user.ann"}, slices.Concat(numbered("user.ann", 1, 8), numbered("topic.a.x", 1, 5), numbered("topic.a.y", 1, 2))},
	} {
		t.Run(what, func(t *testing.T) {
			g, _ := followFrom(t, h, c.start, c.subjects...)
			close(g.let)
			g.had(t, what, feed.ResumeSince, c.want)
		})
	}
	t.Run("an id wins", func(t *testing.T) {
		first, r := followFrom(t, h, since(ann[6]), "user.ann")
		close(first.let)
		first.had(t, "from the past", feed.ResumeSince, numbered("user.ann", 7, 8))
		r.Close()
		publish(t, h, "user.ann", 9, 1)
		again, _ := followFrom(t, h, feed.Start{LastID: first.lastID(), Since: ann[0]}, "user.ann")
		close(again.let)
		again.had(t, "from an id", feed.ResumeExact, numbered("user.ann", 9, 9))
	})
}

func TestWhatRetentionRemovedBeforeIsNotTold(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *jetstream.Config) { c.Events.MaxPerSubject = 4 })
	publish(t, h, "user.ann", 1, 10)
	publish(t, h, "topic.a", 1, 10)
	publish(t, h, "topic.b", 1, 10)
	t.Run("while history is read", func(t *testing.T) {
		g, r := followFrom(t, h, all, "user.ann", "topic.a")
		g.let <- struct{}{}
		g.untilEvents(1)
		publish(t, h, "topic.a", 11, 3) // which has not been read
		close(g.let)
		g.had(t, "events", feed.ResumeSince, slices.Concat(numbered("user.ann", 7, 10), numbered("topic.a", 10, 13)))
		r.Close()
	})
	t.Run("when the client comes back in the middle", func(t *testing.T) {
		g, r := followFrom(t, h, all, "user.ann", "topic.b")
		for range 2 {
			g.let <- struct{}{}
		}
		g.untilEvents(2)
		r.Close()
		again, _ := followFrom(t, h, feed.Start{LastID: g.lastID(), Since: all.Since}, "user.ann", "topic.b")
		close(again.let)
		again.had(t, "the rest", feed.ResumeExact, slices.Concat(numbered("user.ann", 9, 10), numbered("topic.b", 7, 10)))
	})
	t.Run("but what was there when it began is", func(t *testing.T) {
		g, _ := followFrom(t, h, all, "topic.b")
		id := g.lastID()
		publish(t, h, "topic.b", 11, 1)
		again, _ := followFrom(t, h, feed.Start{LastID: id}, "topic.b")
		if again.opened.Resume != feed.ResumeReset {
			t.Errorf("it goes on as %s, and one event is gone", again.opened.Resume)
		}
	})
}

func TestAWildcardBringsAllThatIsStoredOfManyFullSubjects(t *testing.T) {
	t.Parallel()
	const subjects, limit = 150, 4
	h := open(t, func(c *jetstream.Config) { c.Events.MaxPerSubject = limit })
	var want []string
	for n := range 2 * limit {
		for i := range subjects {
			s := fmt.Sprint("topic.many.", i)
			publish(t, h, s, n, 1)
			if n >= limit {
				want = append(want, fmt.Sprint(s, " ", n))
			}
		}
	}
	publish(t, h, "topic.many.last", 1, 2*limit) // all of it is to be read when the first part has been
	want = append(want, numbered("topic.many.last", limit+1, 2*limit)...)
	g, _ := followFrom(t, h, all, "topic.many.*")
	close(g.let)
	g.had(t, "all of them", feed.ResumeSince, want)
}
