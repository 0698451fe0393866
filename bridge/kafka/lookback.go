package kafka

import (
	"context"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"weft/jetstream/event"
	"weft/jetstream/store"
)

const (
	// longestTail is how many messages may be behind a commit's place for the tail of
	// the stream to be read: some seconds. wholeStream is how many there may be in all
	// for a partition without a place; beyond it is cheaper to look each record up.
	longestTail = 1 << 20
	wholeStream = 250_000
	// commitTries is how often the group is asked for the commits of a claim.
	commitTries = 3
	// stragglers is how long what another owner of a partition has sent may be on its way.
	stragglers = time.Minute
)

// A lookback is what a claim knows of the time before it. It is not changed.
type lookback struct {
	offset int64 // the committed offset, -1 for none
	// place is the one of the commit, zero if there is none. Commits carry it until it
	// is clear that nothing behind them was stored before the claim.
	place store.Place
	tail  Tail  // what is stored behind the place; nil: each record is looked up
	last  int64 // the highest offset in the tail, -1 for none
}

// exact reports whether no record behind last was stored by another owner, but for what
// may still be on its way.
func (l *lookback) exact() bool { return l.tail != nil && !l.tail.Hashed() }

// lookbacks reads the tail of the stream once for all claims that begin together.
type lookbacks struct {
	*session

	mu      sync.Mutex
	held    map[partition]bool // claims that have theirs
	ready   map[partition]*lookback
	made    int32         // the generation of the group for which ready is
	loading chan struct{} // closed when the read that is under way has ended
}

func newLookbacks(s *session) *lookbacks { return &lookbacks{session: s, held: map[partition]bool{}} }

// of returns what a claim of a partition that begins at an offset knows. Its error is
// ctx's. release must be called when the claim ends.
func (b *lookbacks) of(ctx context.Context, sess sarama.ConsumerGroupSession, p partition, from int64) (*lookback, error) {
	for {
		b.mu.Lock()
		if wait := b.loading; wait != nil {
			b.mu.Unlock()
			select {
			case <-wait:
				continue
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		if l := b.ready[p]; l != nil && b.made == sess.GenerationID() {
			delete(b.ready, p)
			b.held[p] = true
			b.mu.Unlock()
			return l.begins(from), nil
		}
		// The partitions of the group's present generation are this member's, and were
		// nobody else's when the read began; later they may have been.
		generation, want := sess.GenerationID(), b.wantedLocked(sess, p)
		loaded := make(chan struct{})
		b.loading = loaded
		b.mu.Unlock()

		got, err := b.load(ctx, want)

		b.mu.Lock()
		l := got[p]
		delete(got, p)
		b.ready, b.made, b.loading = got, generation, nil
		b.held[p] = err == nil
		b.mu.Unlock()
		close(loaded)
		if err != nil {
			return nil, err
		}
		return l.begins(from), nil
	}
}

// release is for a claim that has ended.
func (b *lookbacks) release(p partition) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.held, p)
}

// wantedLocked are the partition and all that begin with it.
func (b *lookbacks) wantedLocked(sess sarama.ConsumerGroupSession, p partition) []partition {
	list := []partition{p}
	for topic, numbers := range sess.Claims() {
		for _, n := range numbers {
			if other := (partition{topic, n}); other != p && !b.held[other] {
				list = append(list, other)
			}
		}
	}
	return list
}

// begins returns what is known by a claim that begins at an offset: nothing, if the commit
// was of another one.
func (l *lookback) begins(at int64) *lookback {
	if l.place.IsZero() || l.offset == at {
		return l
	}
	return &lookback{offset: l.offset, last: -1}
}

// load asks for the commits of partitions and reads what is stored behind the lowest place.
func (b *lookbacks) load(ctx context.Context, of []partition) (map[partition]*lookback, error) {
	began := time.Now()
	commits, err := b.ask(ctx, of)
	if err != nil {
		return nil, err
	}
	bounds, err := untilAnswered(ctx, b.limited, "ask the store how far it goes", func() (store.Bounds, error) { return b.store.Bounds(ctx) })
	if err != nil {
		return nil, err
	}
	found := make(map[partition]*lookback, len(of))
	request := store.TailRequest{After: bounds.End, End: bounds.End, From: map[string]int64{}}
	var single, without int
	for _, p := range of {
		l := lookbackOf(commits[p], bounds)
		found[p] = l
		if l.place.IsZero() {
			without++
		}
		if !l.readable(bounds) {
			single++
			continue
		}
		from := int64(0)
		if !l.place.IsZero() {
			from = l.offset
		}
		request.From[b.series(p)] = from
		request.After = min(request.After, l.place.Seq)
	}
	if single > 0 {
		b.log.Info("records will be looked up one by one until they are new", "partitions", single,
			"stored", bounds.End+1-min(bounds.First, bounds.End+1), "without_place", without)
	}
	if len(request.From) == 0 {
		return found, nil
	}
	told := began
	request.Progress = func(read, left uint64) {
		if time.Since(told) > lookupTold {
			told = time.Now()
			b.log.Info("reading what was stored since the last commits", "read", read, "left", left)
		}
	}
	tail, err := b.store.ReadTail(ctx, request)
	if err != nil {
		return nil, err
	}
	for p, l := range found {
		if _, in := request.From[b.series(p)]; in {
			l.tail, l.last = tail, tail.Last(b.series(p))
		}
	}
	b.log.Info("read what was stored since the last commits", "partitions", len(request.From), "without_place", without,
		"messages", tail.Read(), "took", time.Since(began).Round(time.Millisecond))
	return found, nil
}

func (b *lookbacks) series(p partition) string {
	return event.RecordSeries(b.opts.Kafka.Name, p.topic, p.number)
}

// lookbackOf is what a commit says, as far as it is of this stream.
func lookbackOf(c commit, bounds store.Bounds) *lookback {
	l := &lookback{offset: c.offset, place: placeIn(c.metadata, c.offset), last: -1}
	if _, err := bounds.Behind(l.place); err != nil {
		l.place = store.Place{} // another life of the stream, or somebody's idea
	}
	return l
}

// readable reports whether the tail that the commit needs is read at once.
func (l *lookback) readable(bounds store.Bounds) bool {
	place, most := l.place, uint64(longestTail)
	if place.IsZero() {
		place, most = store.Place{Stream: bounds.Stream}, wholeStream
	}
	n, err := bounds.Behind(place)
	return err == nil && n <= most
}

// ask asks for commits, and does without when the group does not answer.
func (b *lookbacks) ask(ctx context.Context, of []partition) (map[partition]commit, error) {
	for try := 1; ; try++ {
		found, err := b.commits(of)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err == nil:
			return found, nil
		case try == commitTries:
			b.log.Warn("cannot ask for the metadata of commits; doing without", "err", err)
			none := make(map[partition]commit, len(of))
			for _, p := range of {
				none[p] = commit{offset: -1}
			}
			return none, nil
		}
		if !pause(ctx, storePause) {
			return nil, ctx.Err()
		}
	}
}
