package feed_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"weft/config/testkit/slow"
	"weft/jetstream"
	"weft/jetstream/api"
)

// A forgery is a delivery copy that the stream did not send.
type forgery struct {
	subject       string // "" is user.bob
	stream        string // "" is EVENTS
	named         string // Nats-Subject, "" is the true one
	seq, previous uint64
	header        map[string][]string // further values, first
	without       string              // a header that is left out
}

// forge sends a copy by a connection of the node's own, and waits until the hub has
// read it.
func (h *site) forge(t testing.TB, f forgery) {
	t.Helper()
	s := f.subject
	if s == "" {
		s = "user.bob"
	}
	named, stream := f.named, f.stream
	if named == "" {
		named = s
	}
	if stream == "" {
		stream = "EVENTS"
	}
	m := nats.NewMsg("out." + s)
	for k, v := range f.header {
		m.Header[k] = slices.Clone(v)
	}
	for k, v := range map[string]string{
		"Nats-Stream": stream, "Nats-Subject": named, "Nats-Sequence": strconv.FormatUint(f.seq, 10),
		"Nats-Last-Sequence": strconv.FormatUint(f.previous, 10), "Nats-Time-Stamp": time.Now().UTC().Format(time.RFC3339Nano),
	} {
		m.Header[k] = append(m.Header[k], v)
	}
	delete(m.Header, f.without)
	m.Data = []byte("forged")
	c, err := h.node.Connect("forger")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// When the server has it, it is before the answer on the live connection.
	if err := errors.Join(c.PublishMsg(m), c.Flush()); err != nil {
		t.Fatal(err)
	}
	h.copies.flush(t)
}

// lastSeq is the newest sequence of the stream.
func (h *site) lastSeq(t testing.TB) uint64 {
	t.Helper()
	st, err := h.node.Store().State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st.Last
}

// own are the events that were published, without what was forged.
func own(events []string) []string {
	return slices.DeleteFunc(slices.Clone(events), func(e string) bool { return strings.HasSuffix(e, " forged") })
}

// wantWhole expects every event from 1 to n once and in order. Some may be missing
// only if a reset was told.
func (c *client) wantWhole(subject string, n int) {
	c.t.Helper()
	last := fmt.Sprintf("%s %d", subject, n)
	c.until(last, func() bool {
		list := own(c.events)
		return len(list) > 0 && list[len(list)-1] == last
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	before := 0
	for _, e := range own(c.events) {
		i, err := strconv.Atoi(strings.TrimPrefix(e, subject+" "))
		if err != nil || i <= before || i != before+1 && len(c.resets) == 0 {
			c.t.Fatalf("%q after event %d, %d resets; %q", e, before, len(c.resets), c.events)
		}
		before = i
	}
}

// counted is how many forged copies were found.
func (h *site) counted(t testing.TB) int {
	t.Helper()
	families, err := h.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "weft_feed_forged_total" {
			return int(f.Metric[0].GetCounter().GetValue())
		}
	}
	t.Fatal("forged copies are not counted")
	return 0
}

// until waits for a condition on the hub.
func (h *site) until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); api.Sleep(t.Context(), time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// What does not say of itself that the stream sent it, or is from a future that the
// stream has not reached, is never shown, and nobody is told anything.
func TestCopiesThatCannotBeTheStreamsAreNotTaken(t *testing.T) {
	slow.Test(t, "what never comes")
	for name, of := range map[string]func(last uint64) forgery{
		"another stream":       func(last uint64) forgery { return forgery{stream: "OTHERS", seq: last + 1} },
		"another subject":      func(last uint64) forgery { return forgery{named: "user.ann", seq: last + 1} },
		"the copy's subject":   func(last uint64) forgery { return forgery{named: "out.user.bob", seq: last + 1} },
		"no time":              func(last uint64) forgery { return forgery{seq: last + 1, without: "Nats-Time-Stamp"} },
		"no predecessor":       func(last uint64) forgery { return forgery{seq: last + 1, without: "Nats-Last-Sequence"} },
		"no stream":            func(last uint64) forgery { return forgery{seq: last + 1, without: "Nats-Stream"} },
		"no sequence":          func(uint64) forgery { return forgery{} },
		"before its own past":  func(last uint64) forgery { return forgery{seq: last + 1, previous: last + 1} },
		"after a later one":    func(last uint64) forgery { return forgery{seq: last + 1, previous: 1 << 50} },
		"a far future":         func(uint64) forgery { return forgery{seq: 1 << 40} },
		"the end of numbers":   func(uint64) forgery { return forgery{seq: 1<<64 - 1, previous: 1<<64 - 2} },
		"a future after a gap": func(uint64) forgery { return forgery{seq: 1 << 41, previous: 1 << 40} },
		"what was stored":      func(last uint64) forgery { return forgery{seq: max(last, 2) - 1} },
		"several values, the last one foreign": func(last uint64) forgery {
			return forgery{stream: "OTHERS", seq: last + 1, header: map[string][]string{"Nats-Stream": {"EVENTS", "EVENTS"}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, nil)
			c, _ := follow(t, h, "", "user.bob", "topic.a")
			n := 0
			for range 3 {
				h.forge(t, of(h.lastSeq(t)))
				publish(t, h, "user.bob", n+1, 2)
				h.forge(t, of(h.lastSeq(t)))
				h.forge(t, of(h.lastSeq(t)))
				publish(t, h, "user.bob", n+3, 1)
				n += 3
				c.untilEvents(n)
			}
			h.waitWatermark(t)
			h.until(t, "the count of what was forged", func() bool { return h.counted(t) >= 9 || name == "what was stored" })
			want(t, "events", c.seen(), numbered("user.bob", 1, n))
			if len(c.resets) > 0 {
				t.Errorf("resets %v", c.resets)
			}
		})
	}
}

// A copy that could be the stream's next one is taken. As soon as it is known not to
// have been, who has seen it is told, and nothing is missing afterwards.
func TestAForgedCopyNeverSilencesAFeed(t *testing.T) {
	slow.Test(t, "what never comes")
	for name, of := range map[string]func(last uint64) forgery{
		"the next sequence":    func(last uint64) forgery { return forgery{seq: last + 1} },
		"a few ahead":          func(last uint64) forgery { return forgery{seq: last + 5} },
		"many ahead":           func(last uint64) forgery { return forgery{seq: last + 5000} },
		"after a gap":          func(last uint64) forgery { return forgery{seq: last + 500, previous: last + 400} },
		"after the next one":   func(last uint64) forgery { return forgery{seq: last + 500, previous: last + 1} },
		"after the last":       func(last uint64) forgery { return forgery{seq: last + 500, previous: last} },
		"before what is there": func(last uint64) forgery { return forgery{seq: last, previous: 0} },
		"with a type of its own": func(last uint64) forgery {
			return forgery{seq: last + 3, header: map[string][]string{"ce-type": {"weft.close"}}}
		},
		"with many values": func(last uint64) forgery {
			return forgery{seq: last + 3, header: map[string][]string{"Nats-Sequence": {"1", "2", "x"}, "Nats-Subject": {"user.ann"}}}
		},
	} {
		for when, settle := range map[string]func(h *site, c *client, n int){
			"at once":           func(*site, *client, int) {},
			"when all is there": func(_ *site, c *client, n int) { c.wantWhole("user.bob", n) },
			"after a tick":      func(h *site, _ *client, _ int) { h.waitWatermark(t) },
		} {
			t.Run(name+"/"+when, func(t *testing.T) {
				t.Parallel()
				h := open(t, nil)
				c, _ := follow(t, h, "", "user.bob")
				d, _ := follow(t, h, "", "user.bob", "topic.a")
				n := 0
				for range 3 {
					h.forge(t, of(h.lastSeq(t)))
					if n > 0 {
						settle(h, c, n)
					}
					publish(t, h, "user.bob", n+1, 3)
					publish(t, h, "user.eve", n+1, 2)
					h.forge(t, of(h.lastSeq(t)))
					publish(t, h, "user.bob", n+4, 1)
					n += 4
					settle(h, c, n)
				}
				c.wantWhole("user.bob", n)
				d.wantWhole("user.bob", n)
				e, _ := follow(t, h, c.lastID(), "user.bob")
				publish(t, h, "user.bob", n+1, 1)
				c.wantWhole("user.bob", n+1)
				e.until("the next event", func() bool { return len(own(e.events)) > 0 })
				want(t, "who came back got", own(e.seen()), numbered("user.bob", n+1, n+1))
			})
		}
	}
}

// Copies that are lost when the leader changes are found although forged ones have
// been handed on that are later.
func TestAForgedCopyDoesNotHideALostOne(t *testing.T) {
	for name, ahead := range map[string]uint64{"the next": 1, "between": 3, "beyond": 50} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, nil)
			c, _ := follow(t, h, "", "user.bob")
			publish(t, h, "user.bob", 1, 2)
			c.untilEvents(2)
			last := h.lastSeq(t)
			h.copies.deaf(t, "user.bob", func() { publish(t, h, "user.bob", 3, 2) })
			h.forge(t, forgery{seq: last + ahead})
			h.copies.interrupted("test") // as a new leader would
			c.wantWhole("user.bob", 4)
			h.copies.deaf(t, "user.bob", func() { publish(t, h, "user.bob", 5, 1) })
			h.forge(t, forgery{seq: h.lastSeq(t) + ahead})
			publish(t, h, "user.bob", 6, 1)
			c.wantWhole("user.bob", 6)
		})
	}
}

// What is forged while a feed reads from the store waits as real copies do.
func TestAForgedCopyWaitsForAFeedThatCatchesUp(t *testing.T) {
	for name, of := range map[string]func(last uint64) forgery{
		"the next":              func(last uint64) forgery { return forgery{seq: last + 1} },
		"ahead":                 func(last uint64) forgery { return forgery{seq: last + 300} },
		"ahead, after a gap":    func(last uint64) forgery { return forgery{seq: last + 300, previous: last + 200} },
		"stored, after a gap":   func(last uint64) forgery { return forgery{seq: last, previous: last - 1} },
		"the next, after a gap": func(last uint64) forgery { return forgery{seq: last + 1, previous: last} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := open(t, nil)
			c, _ := follow(t, h, "", "user.bob")
			publish(t, h, "user.bob", 1, 1)
			c.untilEvents(1)
			h.waitWatermark(t)
			held := h.store.hold("user.bob") // what it reads does not have what comes meanwhile
			h.copies.deaf(t, "user.bob", func() { publish(t, h, "user.bob", 2, 1) })
			h.copies.interrupted("test")
			held.reached(t)
			publish(t, h, "user.eve", 1, 2)
			h.forge(t, of(h.lastSeq(t)))
			publish(t, h, "user.bob", 3, 1)
			h.forge(t, of(h.lastSeq(t)))
			h.copies.flush(t) // they wait
			held.release()
			c.wantWhole("user.bob", 3)
			h.waitWatermark(t)
			publish(t, h, "user.bob", 4, 2)
			c.wantWhole("user.bob", 5)
		})
	}
}

// Who comes while nobody knows yet that a copy was forged begins where the copy was.
func TestWhoComesAfterAForgedCopyMissesNothing(t *testing.T) {
	slow.Test(t, "what never comes")
	h := open(t, nil)
	c, _ := follow(t, h, "", "user.bob")
	publish(t, h, "user.bob", 1, 1)
	c.untilEvents(1)
	id := c.lastID()
	for n := 2; n < 12; n++ {
		h.forge(t, forgery{seq: h.lastSeq(t) + 200})
		c.until("the forged one", func() bool { return len(c.events) > 0 })
		d, r := follow(t, h, "", "user.bob")
		e, q := follow(t, h, c.lastID(), "topic.a", "user.bob")
		g, p := follow(t, h, id, "user.bob")
		publish(t, h, "user.bob", n, 1)
		last := fmt.Sprintf("user.bob %d", n)
		for _, c := range []*client{c, d, e, g} {
			c.until(last, func() bool { return slices.Contains(c.events, last) })
		}
		g.wantAfter("user.bob", 2, n)
		r.Close()
		q.Close()
		p.Close()
		h.waitWatermark(t)
	}
}

// wantAfter expects the events of a subject from one to another, or a reset.
func (c *client) wantAfter(subject string, from, to int) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if got := own(c.events); len(c.resets) == 0 && !slices.Equal(got, numbered(subject, from, to)) {
		c.t.Fatalf("got %q, want %d to %d", got, from, to)
	}
}

// A connection that has another subject, too, must not lose what comes there.
func TestAForgedCopyHurtsNoOtherSubject(t *testing.T) {
	h := open(t, nil)
	c, _ := follow(t, h, "", "user.bob", "topic.a")
	for n := 1; n <= 6; n++ {
		h.forge(t, forgery{seq: h.lastSeq(t) + 900})
		publish(t, h, "topic.a", n, 1)
		c.until("the event", func() bool { return slices.Contains(c.events, fmt.Sprintf("topic.a %d", n)) })
		d, r := follow(t, h, c.lastID(), "user.bob", "topic.a") // its cursor names the forged one
		publish(t, h, "topic.a", n+1, 1)
		d.until("the next event", func() bool { return slices.Contains(d.events, fmt.Sprintf("topic.a %d", n+1)) })
		r.Close()
		n++
		if n%4 == 0 {
			h.waitWatermark(t)
		}
	}
	h.until(t, "the count", func() bool { return h.counted(t) > 0 })
	want(t, "topic.a", slices.DeleteFunc(own(c.seen()), func(e string) bool { return !strings.HasPrefix(e, "topic.a ") }),
		numbered("topic.a", 1, 6))
}

// Nobody but the node makes its ticks: by a forged one it would take for handed on
// what is still on its way.
func TestAForgedTickIsNoTick(t *testing.T) {
	h := open(t, nil)
	h.waitWatermark(t)
	last := h.lastSeq(t)
	tick := "tick." + h.node.Token()
	for _, s := range []string{tick, tick + ".77"} {
		h.forge(t, forgery{subject: s, seq: last + 7000})
	}
	h.waitWatermark(t)
	if got := h.Tick(); got >= last+7000 {
		t.Errorf("the last tick read is %d, forged", got)
	}
	if got := h.Highest(); got >= last+7000 {
		t.Errorf("the node takes itself to be at %d, forged", got)
	}
}

// Purged and removed messages, and copies that come twice, are no forgeries.
func TestWhatTheStreamItselfDoesIsNoForgery(t *testing.T) {
	h := open(t, func(c *jetstream.Config) { c.Events.MaxPerSubject = 3 })
	c, _ := follow(t, h, "", "user.bob")
	for n := 1; n <= 40; n += 4 {
		h.copies.twice(t, "user.bob", func() { publish(t, h, "user.bob", n, 4) }) // as of two leaders
		c.untilEvents(n + 3)
	}
	want(t, "events", c.seen(), numbered("user.bob", 1, 40))
	if len(c.resets) > 0 || h.counted(t) > 0 {
		t.Errorf("resets %v, %d forged", c.resets, h.counted(t))
	}
}

// When what was handed on cannot be held against the store any more, because it was
// trimmed meanwhile, the connections are told, and the feed goes on.
func TestAForgedCopyAmongTrimmedOnesDoesNotSilenceAFeed(t *testing.T) {
	slow.Test(t, "what never comes")
	h := open(t, func(c *jetstream.Config) { c.Events.MaxPerSubject = 5 })
	c, _ := follow(t, h, "", "user.bob")
	for round := range 5 {
		h.waitWatermark(t)
		n, told := 20*round, len(c.resets)
		publish(t, h, "user.bob", n+1, 8) // faster than ticks come
		h.forge(t, forgery{seq: h.lastSeq(t) + 3, previous: 1})
		publish(t, h, "user.bob", n+9, 2)
		got := func(n int) bool { return slices.Contains(c.events, fmt.Sprintf("user.bob %d", n)) }
		c.until("the last event or a reset", func() bool { return got(n+10) || len(c.resets) > told })
		h.waitWatermark(t)
		publish(t, h, "user.bob", n+11, 1)
		c.until("what comes later", func() bool { return got(n + 11) })
	}
}
