package feed

import (
	"fmt"
	"log/slog"
	"testing"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream/event"
)

// A taker keeps the id of the newest event.
type taker struct {
	none
	id string
}

func (t *taker) Event(_ *Message, id string) { t.id = id }

// crowd are connections that follow an inbox of their own and a topic, on a hub whose store
// does not answer, so that what falls behind stays there.
type crowd struct {
	hub     *Hub
	topic   *feed
	inboxes []*feed
	readers []*Reader
	takers  []*taker
}

func newCrowd(t testing.TB, n int) *crowd {
	h := New(Params{Store: silentStore{}, Presence: nobody{}}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	t.Cleanup(func() { h.Close() })
	h.ticks.low.Store(10)
	open := func(subject string) *feed {
		f := newFeed(h, subject, "out."+subject, false)
		t.Cleanup(f.lifetime.end)
		f.begin(event.StreamID{}, 10)
		return f
	}
	c := &crowd{hub: h, topic: open("topic.x")}
	for i := range n {
		to := &taker{}
		r := &Reader{hub: h, rcv: to, low: 10}
		inbox := open(fmt.Sprint("user.u", i))
		for _, f := range []*feed{inbox, c.topic} {
			s := &subscription{reader: r, feed: f, state: live, pos: 10}
			f.attach(s)
			r.subs = append(r.subs, s)
		}
		c.inboxes, c.readers, c.takers = append(c.inboxes, inbox), append(c.readers, r), append(c.takers, to)
	}
	return c
}

// hand hands a message to all who follow the feed, and returns it.
func (c *crowd) hand(f *feed, seq uint64) *Message {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := &Message{Subject: f.subject, Seq: seq}
	f.handLocked(m)
	return m
}

// holds reports what the id of a connection must be.
func (c *crowd) holds(t *testing.T, i int, floor uint64, above map[string]uint64) {
	t.Helper()
	want := event.Cursor{Floor: floor, Above: map[event.SubjectHash]uint64{}}
	for subject, seq := range above {
		want.Above[event.HashSubject(subject)] = seq
	}
	if got := c.takers[i].id; got != want.String() {
		at, err := event.ParseCursor(got)
		t.Errorf("connection %d holds %+v, %v, want %+v", i, at, err, want)
	}
}

func TestWhoStandsAtTheSamePlaceHasTheSameID(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, 3)
	same := func(i, j int) bool { return unsafe.StringData(c.takers[i].id) == unsafe.StringData(c.takers[j].id) }
	c.hand(c.inboxes[1], 20)
	c.hand(c.topic, 30)
	c.holds(t, 0, 10, map[string]uint64{"topic.x": 30})
	c.holds(t, 1, 10, map[string]uint64{"topic.x": 30, "user.u1": 20})
	c.holds(t, 2, 10, map[string]uint64{"topic.x": 30})
	if !same(0, 2) || same(0, 1) {
		t.Error("the id is made for each connection, or for who stands elsewhere")
	}
	c.hand(c.inboxes[1], 40) // goes to one
	c.holds(t, 1, 10, map[string]uint64{"topic.x": 30, "user.u1": 40})
	c.hand(c.topic, 50)
	c.holds(t, 1, 10, map[string]uint64{"topic.x": 50, "user.u1": 40})
	c.holds(t, 2, 10, map[string]uint64{"topic.x": 50})
	c.hub.ticks.low.Store(50)
	c.hand(c.topic, 60)
	for i := range 3 {
		c.holds(t, i, 50, map[string]uint64{"topic.x": 60})
	}
	if !same(0, 1) || !same(1, 2) {
		t.Error("once all stand at the same place the id is made for each of them")
	}
}

func TestAnIDHasNothingOfASubjectThatIsBehind(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, 3)
	c.hand(c.topic, 20)
	c.inboxes[1].resync(30) // nothing that it would read answers
	c.hub.ticks.low.Store(40)
	c.hand(c.topic, 50)
	c.holds(t, 0, 40, map[string]uint64{"topic.x": 50})
	c.holds(t, 1, 10, map[string]uint64{"topic.x": 50})
	c.holds(t, 2, 40, map[string]uint64{"topic.x": 50})
	if n := c.hub.catchingUp.Load(); n != 1 {
		t.Errorf("%d feeds are behind, want 1", n)
	}
	left := c.inboxes[2]
	left.resync(30)
	left.mu.Lock()
	left.subs = nil
	left.mu.Unlock()
	for _, f := range []*feed{c.inboxes[1], left} {
		f.lifetime.end()
	}
	c.hub.tasks.Wait()
	if n := c.hub.catchingUp.Load(); n != 1 {
		t.Errorf("%d feeds are behind when two have ended, one of which still has a connection", n)
	}
	c.hub.ticks.low.Store(60)
	c.hand(c.topic, 70)
	c.holds(t, 1, 10, map[string]uint64{"topic.x": 70})
}

func TestAnIDHasWhatChangesBesideEvents(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, 3)
	c.hand(c.topic, 20)
	c.inboxes[0].mu.Lock()
	c.inboxes[0].resetLocked(30)
	c.inboxes[0].mu.Unlock()
	joins := newFeed(c.hub, "topic.y", "out.topic.y", false)
	defer joins.lifetime.end()
	joins.begin(event.StreamID{}, 10)
	join := func(i int, state subState, pos, target uint64) {
		s := &subscription{reader: c.readers[i], feed: joins, state: state, pos: pos, target: target}
		joins.attach(s)
		if err := c.readers[i].begin(&join{subs: []*subscription{s}}, func() {}); err != nil {
			t.Fatal(err)
		}
	}
	join(1, joining, 35, 0)
	join(2, joining, 35, 0)
	c.hand(c.topic, 40)
	c.holds(t, 0, 10, map[string]uint64{"topic.x": 40, "user.u0": 30})
	c.holds(t, 1, 10, map[string]uint64{"topic.x": 40, "topic.y": 35})
	c.holds(t, 2, 10, map[string]uint64{"topic.x": 40, "topic.y": 35})
	c.readers[1].Unsubscribe([]string{"topic.y"}) // two part who stood at the same place
	c.hand(c.topic, 50)
	c.holds(t, 1, 10, map[string]uint64{"topic.x": 50})
	c.holds(t, 2, 10, map[string]uint64{"topic.x": 50, "topic.y": 35})
	// A subject that joins and has yet to read holds the low watermark.
	join(1, joiningBehind, 5, 60)
	c.hub.ticks.low.Store(60)
	c.hand(c.topic, 70)
	c.holds(t, 1, 5, map[string]uint64{"topic.x": 70, "user.u1": 10})
	c.holds(t, 2, 60, map[string]uint64{"topic.x": 70})
	c.readers[1].Close()
}

func TestAMessageRemembersFewPlaces(t *testing.T) {
	t.Parallel()
	m := &Message{Seq: 1000}
	for round := range 2 {
		for i := range uint64(100) {
			id := m.Cursor(event.StreamID{}, i, []event.Position{{Seq: 1000}})
			if want := (event.Cursor{Floor: i, Above: map[event.SubjectHash]uint64{{}: 1000}}).String(); id != want {
				t.Fatalf("round %d: place %d has the id %s, want %s", round, i, id, want)
			}
			if m.remembers(id) != (i < maxStandings) {
				t.Fatalf("round %d: place %d is remembered: %v", round, i, i >= maxStandings)
			}
		}
	}
}

func TestAConnectionTakesTheMemoryThatItTook(t *testing.T) {
	t.Parallel()
	if unsafe.Sizeof(uintptr(0)) != 8 {
		return
	}
	for what, is := range map[string]struct{ size, class uintptr }{
		"a reader":  {unsafe.Sizeof(Reader{}), 112},
		"a message": {unsafe.Sizeof(Message{}), 128},
	} {
		if is.size > is.class {
			t.Errorf("%s has %d bytes, want %d", what, is.size, is.class)
		}
	}
}

// What a topic costs its followers before it is encoded, alone and beside an inbox.
func BenchmarkATopicToManyReaders(b *testing.B) {
	const n = 10_000
	for name, of := range map[string]struct{ alone, differ bool }{
		"the topic alone":                    {alone: true},
		"beside an inbox":                    {},
		"beside an inbox that brought first": {differ: true},
	} {
		b.Run(name, func(b *testing.B) {
			c := newCrowd(b, n)
			if of.alone {
				for _, r := range c.readers {
					r.subs[0].feed.detach(r.subs[0])
					r.subs = r.subs[1:]
				}
			}
			seq := uint64(100)
			if of.differ {
				for i, f := range c.inboxes {
					c.hand(f, seq+uint64(i))
				}
				seq += n
			}
			b.ReportAllocs()
			for b.Loop() {
				seq++
				c.hand(c.topic, seq)
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N*n), "ns/delivery")
		})
	}
}
