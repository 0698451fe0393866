package feed_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weft/jetstream/feed"
)

var modelSeed = flag.Uint64("seed", 0, "run the model once, with this seed")

// A viewer is a client that checks what it is shown: of each of its subjects every number
// once and in order, and none left out but where a reset was told.
type viewer struct {
	resets bool // may be told
	world  *world

	mu     sync.Mutex
	reader *feed.Reader // nil until it is known
	strict bool         // false where the stream is made anew: it is only promised that what comes later comes
	id     string
	last   map[string]int // the newest number seen; 0: any up to first may come
	first  map[string]int
	since  map[string]time.Time // of subjects of which nothing has come, and that begin with what is stored since then
	reset  map[string]bool      // told since the newest number
	wrong  []string
}

func (v *viewer) wrongLocked(format string, args ...any) {
	if v.strict && len(v.wrong) < 5 {
		v.wrong = append(v.wrong, fmt.Sprintf(format, args...))
	}
}

func (v *viewer) Opened(o feed.Opened) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if want := v.resume(); o.Resume != want && (want == feed.ResumeSince || o.Resume != feed.ResumeReset) {
		v.wrongLocked("it begins as %s, want %s", o.Resume, want)
	}
	v.id = o.ID
}

func (v *viewer) resume() string {
	switch {
	case v.id != "":
		return feed.ResumeExact
	case len(v.since) > 0:
		return feed.ResumeSince
	}
	return feed.ResumeNew
}

func (v *viewer) Reset(r feed.Reset, id string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.resets {
		v.wrongLocked("a reset: %v", r)
	}
	v.id = id
	for _, s := range r.Subjects {
		v.reset[s] = true
	}
}

func (v *viewer) Event(m *feed.Message, id string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.id = id; id == "" {
		v.id = m.ID()
	} else if v.reader != nil {
		if stands := v.reader.Stands(); id != stands && len(v.wrong) < 5 {
			v.wrong = append(v.wrong, fmt.Sprintf("%s %s has the id %s, want %s", m.Subject, m.Data, id, stands))
		}
	}
	n, err := strconv.Atoi(string(m.Data))
	last, known := v.last[m.Subject]
	if t, ok := v.since[m.Subject]; ok {
		older, oldest := v.world.older(m.Subject, t)
		if n <= older {
			v.wrongLocked("%s %d, which is older than %v", m.Subject, n, t)
		}
		v.first[m.Subject] = oldest
		delete(v.since, m.Subject)
	}
	switch {
	case err != nil || !known:
		v.wrongLocked("%s %q, which nobody asked for", m.Subject, m.Data)
	case n <= last:
		v.wrongLocked("%s %d after %d", m.Subject, n, last)
	case v.reset[m.Subject]:
	case last == 0 && n > v.first[m.Subject], last > 0 && n != last+1:
		v.wrongLocked("%s %d after %d (first up to %d), without a reset", m.Subject, n, last, v.first[m.Subject])
	}
	v.last[m.Subject] = n
	v.reset[m.Subject] = false
}

func (v *viewer) Keepalive(id string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if id != "" {
		v.id = id
	}
}

func (v *viewer) CaughtUp()                      {}
func (v *viewer) Room(ctx context.Context) error { return ctx.Err() }
func (v *viewer) Owner() string                  { return "" }

// A model is a world with hubs, of which viewers are shown what is published.
type model struct {
	t     *testing.T
	world *world
	calm  chan struct{} // closed when the trouble is over

	mu        sync.Mutex
	nodes     []*modelNode
	hubs      []*feed.Hub // of the nodes; one that is closed is replaced
	rnd       *rand.Rand
	published map[string]int
}

// roll is a random number below n.
func (m *model) roll(n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rnd.IntN(n)
}

func (m *model) rest(upTo time.Duration) {
	time.Sleep(time.Duration(m.roll(int(upTo/time.Microsecond))) * time.Microsecond)
}

func (m *model) count(subject string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.published[subject]
}

func modelSubject(i int) string { return fmt.Sprint("user.u", i) }

const modelSubjects = 6

// publish publishes on all subjects until ctx ends.
func (m *model) publish(ctx context.Context) {
	for ctx.Err() == nil {
		m.publishOne(modelSubject(m.roll(modelSubjects)))
		if m.roll(5) == 0 {
			m.rest(100 * time.Millisecond)
		}
	}
}

func (m *model) publishOne(subject string) {
	m.mu.Lock()
	m.published[subject]++
	n := m.published[subject]
	m.mu.Unlock()
	m.world.publish(subject, n)
}

// trouble changes leaders and breaks connections until ctx ends.
func (m *model) trouble(ctx context.Context, recreate bool) {
	for ctx.Err() == nil {
		m.rest(2 * time.Second)
		switch what := m.roll(8); {
		case what == 0 && recreate:
			m.world.recreate()
		case what == 3:
			m.restart(m.roll(len(m.nodes)))
		case what < 6 && what > 3:
			m.nodes[m.roll(len(m.nodes))].trouble()
		case what < 3:
			m.world.change()
		default:
			m.world.copies[m.roll(len(m.world.copies))].breakFor(time.Duration(m.roll(300)) * time.Millisecond)
		}
	}
}

// expect makes a viewer expect subjects from now on.
func (m *model) expect(v *viewer, subjects []string, before map[string]int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, s := range subjects {
		v.first[s] = before[s] + 1
	}
}

// view comes and goes with a set of subjects until ctx ends, and stays then until all is
// there.
func (m *model) view(ctx context.Context, v *viewer) {
	var subjects []string
	for _, i := range []int{m.roll(modelSubjects), m.roll(modelSubjects), m.roll(modelSubjects)}[:1+m.roll(3)] {
		if s := modelSubject(i); !slices.Contains(subjects, s) {
			subjects = append(subjects, s)
		}
	}
	var start feed.Start
	switch past := m.roll(4); past {
	case 0, 1:
		m.rest(15 * time.Second)      // so that there is something
		start.Since = time.Unix(0, 0) // all of it
		if past == 0 {
			start.Since = time.Now().Add(m.world.ahead - time.Duration(m.roll(5000))*time.Millisecond)
		}
	}
	for first := true; ; first = false {
		v.mu.Lock()
		start.LastID, v.reader = v.id, nil // the id wins
		if first {
			for _, s := range subjects {
				v.last[s], v.first[s] = 0, 1<<30
				if !start.Since.IsZero() {
					v.since[s] = start.Since
				}
			}
		}
		v.mu.Unlock()
		last := ctx.Err() != nil
		if last {
			<-m.calm
		}
		r, ok := m.follow(subjects, start, v)
		if !ok {
			return
		}
		v.mu.Lock()
		v.reader = r
		v.mu.Unlock()
		if first && start.Since.IsZero() { // what is published from now on comes, with what was just before, perhaps
			m.expect(v, subjects, m.snapshot())
		}
		if last {
			m.wait(v)
			r.Close()
			return
		}
		m.stay(ctx, r, v, subjects)
		r.Close()
	}
}

func (m *model) snapshot() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.published)
}

// stay does what a client does while it is connected: now and then it follows one more
// subject for a while.
func (m *model) stay(ctx context.Context, r *feed.Reader, v *viewer, subjects []string) {
	for range m.roll(5) {
		m.rest(time.Second)
		r.Keepalive()
		s := modelSubject(m.roll(modelSubjects))
		if m.roll(2) == 0 || slices.Contains(subjects, s) {
			continue
		}
		v.mu.Lock()
		v.last[s], v.first[s] = 0, 1<<30
		v.mu.Unlock()
		if err := r.Subscribe(context.Background(), []string{s}, ""); err != nil {
			if !errors.Is(err, feed.ErrClosed) {
				m.t.Error(err)
				return
			}
		} else {
			m.expect(v, []string{s}, m.snapshot())
			m.rest(time.Second)
			r.Unsubscribe([]string{s})
		}
		v.mu.Lock()
		delete(v.last, s)
		delete(v.reset, s)
		delete(v.since, s)
		v.mu.Unlock()
		if ctx.Err() != nil {
			return
		}
	}
	m.rest(500 * time.Millisecond)
}

// wait waits until the viewer has all that was published, or was told that it has not.
func (m *model) wait(v *viewer) {
	missing := func() (missing string) {
		v.mu.Lock()
		defer v.mu.Unlock()
		for s, last := range v.last {
			if n := m.count(s); last < n && !v.reset[s] {
				missing += fmt.Sprintf(" %s %d of %d", s, last, n)
			}
		}
		return missing
	}
	for deadline := time.Now().Add(time.Minute); missing() != ""; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.t.Errorf("missing after a minute:%s", missing())
			return
		}
	}
}

// A quiet logger that fails the test on an error: a state that cannot be.
type alarm struct {
	slog.Handler
	t *testing.T
}

func (a alarm) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		a.t.Errorf("the log says %q", r.Message)
	}
	return nil
}

func (a alarm) Enabled(context.Context, slog.Level) bool { return true }
func (a alarm) WithAttrs([]slog.Attr) slog.Handler       { return a }

// TestTheModel shows viewers, who come and go, what is published in a world where leaders
// change, connections break, nodes restart, replicas lag, the nodes' own copies stand still
// or are gone, and questions stay unanswered.
func TestTheModel(t *testing.T) {
	for name, of := range map[string]struct {
		limit            int
		resets, recreate bool
	}{
		"nothing is trimmed":      {limit: 1 << 20},
		"subjects are trimmed":    {limit: 12, resets: true},
		"the stream is made anew": {limit: 1 << 20, resets: true, recreate: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seeds := 12
			if testing.Short() {
				seeds = 4
			}
			seed := rand.Uint64()
			if *modelSeed != 0 {
				seed, seeds = *modelSeed, 1
			}
			for i := range uint64(seeds) {
				synctest.Test(t, func(t *testing.T) { runModel(t, seed+i, of.limit, of.resets, of.recreate) })
				if t.Failed() {
					t.Fatalf("failed with -seed %d", seed+i)
				}
			}
		})
	}
}

func runModel(t *testing.T, seed uint64, limit int, resets, recreate bool) {
	m := &model{t: t, world: newWorld(seed, limit), calm: make(chan struct{}), rnd: rand.New(rand.NewPCG(seed, 1)), published: map[string]int{}}
	for i := range 2 {
		n := newModelNode(m.world, fmt.Sprint("t", i))
		m.nodes, m.hubs = append(m.nodes, n), append(m.hubs, m.open(n))
		defer func() { m.close(i) }()
	}
	ctx, end := context.WithCancel(t.Context())
	var works, views sync.WaitGroup
	viewers := make([]*viewer, 8)
	for i := range viewers {
		v := &viewer{resets: resets, world: m.world, since: map[string]time.Time{}, strict: !recreate, last: map[string]int{}, first: map[string]int{}, reset: map[string]bool{}}
		viewers[i] = v
		views.Go(func() { m.view(ctx, v) })
	}
	works.Go(func() { m.publish(ctx) })
	works.Go(func() { m.trouble(ctx, recreate) })
	time.Sleep(20 * time.Second)
	end()
	works.Wait()
	close(m.calm)
	if recreate { // what was published before the stream was made anew is gone
		time.Sleep(2 * time.Second)
		for i := range 10 * modelSubjects {
			m.publishOne(modelSubject(i % modelSubjects))
		}
	}
	views.Wait()
	for i, v := range viewers {
		for _, w := range v.wrong {
			t.Errorf("-seed %d, viewer %d: %s", seed, i, w)
		}
	}
}
