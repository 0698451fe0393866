package feed

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	dto "github.com/prometheus/client_model/go"
)

// A forgery is a delivery copy that the stream did not send.
type forgery struct {
	subject       string // "" is user.bob
	stream        string // "" is EVENTS
	named         string // Nats-Subject, "" is the true one
	seq, previous uint64
	header        map[string][]string // further values, first
}

// forge sends a copy by a connection of the node's own, and waits until the hub has
// read it.
func (h *Hub) forge(t testing.TB, f forgery) {
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
	m.Data = []byte("forged")
	if err := h.live.PublishMsg(m); err != nil {
		t.Fatal(err)
	}
	if err := h.live.Flush(); err != nil { // it is in the channel then
		t.Fatal(err)
	}
}

// lastSeq is the newest sequence of the stream.
func (h *Hub) lastSeq(t testing.TB) uint64 {
	t.Helper()
	st, err := h.node.State(t.Context())
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

func (h *Hub) counted(t testing.TB) int {
	t.Helper()
	var m dto.Metric
	if err := h.metrics.forged.Write(&m); err != nil {
		t.Fatal(err)
	}
	return int(m.GetCounter().GetValue())
}

// until waits for a condition on the hub.
func (h *Hub) until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); pause(t.Context(), time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// What does not say of itself that the stream sent it, or is from a future that the
// stream has not reached, is never shown, and nobody is told anything.
func TestCopiesThatCannotBeTheStreamsAreNotTaken(t *testing.T) {
	for name, of := range map[string]func(last uint64) forgery{
		"another stream":       func(last uint64) forgery { return forgery{stream: "OTHERS", seq: last + 1} },
		"another subject":      func(last uint64) forgery { return forgery{named: "user.ann", seq: last + 1} },
		"the copy's subject":   func(last uint64) forgery { return forgery{named: "out.user.bob", seq: last + 1} },
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
			h.waitFloor(t)
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
		for when, settle := range map[string]func(h *Hub, c *client, n int){
			"at once":           func(*Hub, *client, int) {},
			"when all is there": func(_ *Hub, c *client, n int) { c.wantWhole("user.bob", n) },
			"after a tick":      func(h *Hub, _ *client, _ int) { h.waitFloor(t) },
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
