package session

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"weft/edge/auth"
	"weft/edge/wire"
	"weft/jetstream/feed"
)

// pumped is a queue and the goroutine's way to empty it.
type pumped struct {
	*Queue
	pump *Pump
}

func (p *pumped) Write(ctx context.Context, write func([][]byte) error) error {
	return p.pump.Run(ctx, p.Queue, write)
}

func testQueue(limit int) *pumped {
	pump := NewPump(func(Cause) {})
	return &pumped{NewQueue(&Spelling{
		Format: wire.SSE, Limit: limit, Keepalives: &wire.Keepalives{},
		Closing: func(c Cause, _ string) []byte { return []byte("bye " + c.String()) },
	}, pump), pump}
}

func message(seq uint64, size int) *feed.Message {
	return &feed.Message{Subject: "user.ann", Seq: seq, Data: bytes.Repeat([]byte("x"), size)}
}

// written collects what a writer is handed until the queue has ended.
func written(t *testing.T, q *pumped) string {
	t.Helper()
	var out strings.Builder
	if err := q.Write(t.Context(), func(frames [][]byte) error {
		for _, f := range frames {
			out.Write(f)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestAnEmptyQueueTakesOneFrameOfAnySize(t *testing.T) {
	q := testQueue(100)
	if !q.Event(message(1, 5000), "") {
		t.Fatal("refused")
	}
	if q.Event(message(2, 1), "") {
		t.Error("a second frame is taken beyond the limit")
	}
}

func TestAKeepaliveOnItsWayLeavesRoomForOneFrameOfAnySize(t *testing.T) {
	q := testQueue(64 << 10)
	q.Keepalive("id")
	if !q.Event(message(1, 100<<10), "") {
		t.Fatal("refused")
	}
	if q.Event(message(2, 1), "") {
		t.Error("a second event is taken beyond the limit")
	}
}

func TestOneKeepaliveOfFourAsksAWebSocketForAPong(t *testing.T) {
	first := map[int]bool{}
	for range 100 {
		q := NewQueue(&Spelling{Format: wire.WebSocket, Limit: 1 << 20, Keepalives: &wire.Keepalives{}}, NewPump(func(Cause) {}))
		var asked []int
		for i := range 3 * PingEvery {
			q.Keepalive("")
			frames, _ := q.Take()
			if bytes.HasSuffix(slices.Concat(frames...), wire.Ping()) {
				asked = append(asked, i)
			}
			q.Wrote()
		}
		if len(asked) != 3 || asked[1] != asked[0]+PingEvery || asked[2] != asked[1]+PingEvery {
			t.Fatalf("asked at %v", asked)
		}
		first[asked[0]] = true
	}
	if len(first) != PingEvery {
		t.Errorf("all begin at one of %v", first)
	}
}

func TestWhatIsBeingWrittenCounts(t *testing.T) {
	q := testQueue(1000)
	q.Event(message(1, 900), "")
	err := q.Write(t.Context(), func([][]byte) error {
		if q.Event(message(2, 900), "") {
			t.Error("taken while as much is being written")
		}
		return errors.New("enough")
	})
	if err == nil || err.Error() != "enough" {
		t.Error(err)
	}
	if !q.Event(message(3, 900), "") {
		t.Error("refused after all was written")
	}
}

func TestTinyFramesCountWithTheMemoryTheyTake(t *testing.T) {
	const limit = 1 << 20
	q, n := testQueue(limit), 0
	for n < limit && q.Put([]byte("po")) {
		n++
	}
	if header := 24; n*header > limit+slack {
		t.Errorf("%d frames fit into %d bytes", n, limit)
	}
}

// Answers are no events: whoever asked hears them whatever ends the connection.
func TestAFarewellFollowsWhatIsQueuedUnlessItIsCut(t *testing.T) {
	for _, c := range []struct {
		cause Cause
		want  string
	}{{Draining, "one" + "answer" + "two" + "bye drain"}, {Revoked, "answer" + "bye revoked"}, {Slow, "answer" + "bye slow"}} {
		q := testQueue(1000)
		q.Append(message(1, 1), nil, []byte("one"))
		q.Put([]byte("answer"))
		q.Append(message(2, 1), []byte("t"), []byte("wo"))
		q.End(c.cause, "")
		q.Put([]byte("too late"))
		if got := written(t, q); got != c.want {
			t.Errorf("%v: written %q, want %q", c.cause, got, c.want)
		}
	}
}

func TestReplayWaitsForRoomAndThenItsEventIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := testQueue(1000)
		q.Event(message(1, 800), "")
		asked := make(chan error, 1)
		go func() { asked <- q.Room(t.Context()) }()
		synctest.Wait()
		select {
		case <-asked:
			t.Fatal("room in a queue that is more than half full")
		default:
		}
		go func() { _ = q.Write(t.Context(), func([][]byte) error { return nil }) }()
		if err := <-asked; err != nil {
			t.Fatal(err)
		}
		q.End(Draining, "")
	})
	q := testQueue(1000)
	q.Event(message(1, 400), "")
	if err := q.Room(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !q.Event(message(2, 5000), "") {
		t.Error("the event that room was made for is refused")
	}
	if q.Event(message(3, 1), "") {
		t.Error("the next one is taken, too")
	}
}

func TestRoomEndsWithItsContextAndWithTheQueue(t *testing.T) {
	q := testQueue(10)
	q.Event(message(1, 100), "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Room(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	q.End(Draining, "")
	if err := q.Room(t.Context()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestASkippedEventIsToldByTheNextKeepalive(t *testing.T) {
	q := testQueue(1000)
	m := message(7, 1)
	q.Skipped(m, "")
	q.Keepalive("")
	q.Keepalive("") // something is queued: none is needed
	q.End(Draining, "")
	if got, want := written(t, q), "id: "+m.ID()+"\nevent: weft.keepalive\ndata: {}\n\nbye drain"; got != want {
		t.Errorf("written %q, want %q", got, want)
	}
	q = testQueue(1000)
	q.Skipped(m, "composite")
	q.Event(message(8, 1), "newer")
	_ = q.Write(t.Context(), func([][]byte) error { return errors.New("one round") })
	q.Keepalive("")
	q.End(Draining, "")
	if got := written(t, q); strings.Contains(got, "composite") {
		t.Errorf("an id that is older than the last event is told: %q", got)
	}
}

func TestEveryCauseIsSpelt(t *testing.T) {
	seen := map[string]Cause{}
	for c := range Causes {
		e := c.Ending()
		if e.Reason == "" || e.Close < 1000 || e.Code != "" && e.Detail == "" {
			t.Errorf("cause %d: %+v", c, e)
		}
		if other, twice := seen[c.String()]; twice {
			t.Errorf("causes %d and %d are both %q in metrics", c, other, c)
		}
		seen[c.String()] = c
	}
}

// outbox keeps the causes that a session under test ends with.
type outbox struct {
	Queue
	mu   sync.Mutex
	ends []Cause
	own  []string // Weft's own frames
	said []string // of the end
}

func (o *outbox) Control(typ, _ string, data []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.own = append(o.own, typ+" "+string(data))
	return true
}

func (o *outbox) End(c Cause, detail string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ends, o.said = append(o.ends, c), append(o.said, detail)
}

func (o *outbox) told() []Cause {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ends
}

// reader counts keep-alives.
type reader struct {
	beats    atomic.Int32
	subjects []string
	fail     error
}

func (r *reader) Exchange(_ context.Context, s []string, _ string, others []string) error {
	if r.fail == nil {
		r.subjects = append(r.subjects, s...)
		r.Unsubscribe(others)
	}
	return r.fail
}
func (r *reader) Unsubscribe(s []string) {
	r.subjects = slices.DeleteFunc(r.subjects, func(have string) bool { return slices.Contains(s, have) })
}
func (r *reader) Subjects() []string { return slices.Clone(r.subjects) }
func (r *reader) Keepalive()         { r.beats.Add(1) }
func (r *reader) Cursor() string     { return "" }
func (r *reader) Close()             {}

func TestTheWheelBeatsAndExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWheel(15*time.Second, 0)
		ctx, cancel := context.WithCancel(t.Context())
		go w.Run(ctx)
		defer synctest.Wait()
		defer cancel()
		forever, brief := newTestSession("ann", "a", time.Time{}), newTestSession("bob", "b", time.Now().Add(40*time.Second))
		w.Add(forever.Session)
		w.Add(brief.Session)
		gone := newTestSession("carl", "c", time.Time{})
		w.Add(gone.Session)
		w.Remove(gone.Session)
		w.Remove(gone.Session)
		time.Sleep(39 * time.Second)
		synctest.Wait()
		if len(brief.out.told()) != 0 {
			t.Error("ended before its time")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if ends := brief.out.told(); !slices.Equal(ends, []Cause{Expired}) {
			t.Errorf("ended with %v, want expired", ends)
		}
		time.Sleep(time.Hour - 41*time.Second)
		synctest.Wait()
		if n := forever.reader.beats.Load(); n < 235 || n > 240 {
			t.Errorf("%d keep-alives in an hour, want 240 or a few less", n)
		}
		if brief.reader.beats.Load() != 2 || gone.reader.beats.Load() != 0 {
			t.Errorf("keep-alives after the end: %d, %d", brief.reader.beats.Load(), gone.reader.beats.Load())
		}
	})
}

// A transport that has something of its own to write, a head say, takes nothing and
// tells that it was written, too.
func TestAllFramesComeOutInOrderWhateverIsWrittenMeanwhile(t *testing.T) {
	q, rng := testQueue(1<<30), rand.New(rand.NewPCG(1, 2))
	put, got := 0, 0
	var held [][]byte
	wrote := func() {
		for _, f := range held {
			if want := strconv.Itoa(got); string(f) != want {
				t.Fatalf("frame %s came out as %q", want, f)
			}
			got++
		}
		held = nil
		q.Wrote()
	}
	for range 10000 {
		switch rng.IntN(3) {
		case 0:
			q.Put([]byte(strconv.Itoa(put)))
			put++
		case 1:
			if held == nil {
				held, _ = q.Take()
			}
		case 2:
			wrote()
		}
	}
	wrote()
	held, _ = q.Take()
	wrote()
	if got != put {
		t.Errorf("%d of %d frames came out", got, put)
	}
}

func TestWeftOpenTellsTheTimeBetweenKeepalives(t *testing.T) {
	for _, c := range []struct {
		every time.Duration
		says  string
	}{{15 * time.Second, `"keepalive":15}`}, {1500 * time.Millisecond, `"keepalive":1.5}`}} {
		q := testQueue(1 << 10)
		q.spelling.Keepalive = c.every
		q.Opened(New(Config{Identity: &auth.Identity{}, Outbox: q}), feed.Opened{Resume: "new"})
		q.End(Draining, "")
		if got := written(t, q); !strings.Contains(got, c.says) {
			t.Errorf("every %v: %q has no %s", c.every, got, c.says)
		}
	}
}
