package feed_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"weft/jetstream"
	"weft/jetstream/event"
	"weft/jetstream/store"
)

// What the node's own copy says of a message is what an answer to a request says, whatever
// headers a publisher has made.
func TestTheOwnCopySaysWhatARequestDoes(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	publish(t, h, "user.ann", 1, 2)
	for _, header := range []string{
		"NATS/1.0\r\nNats-Sequence: 999999999\r\nNats-Time-Stamp: 2001-01-01T00:00:00Z\r\nNats-Subject: user.bob\r\n\r\n",
		"NATS/1.0\r\nWeft-Type: a.b\r\nX: 1\r\nx: 2\r\nX: 3\r\n\r\n",
		"NATS/1.0\r\nCe-Type: c.d\r\nCe-Id: 7\r\nCe-Source: /s\r\n\r\n",
		"NATS/1.0\r\nno colon\r\n\r\n",
		"NATS/1.0 503 No Responders\r\n\r\n",
		"NATS/1.0\r\nWeft-Type: weft.open\r\n\r\n",
		"NATS/1.0\r\nEmpty:\r\n  Folded: x\r\n\r\n",
		"NATS/1.0\r\n\r\n",
	} {
		h.sendRaw(t, "user.ann", header, "raw")
	}
	publish(t, h, "user.ann", 3, 1)
	asked, err := h.node.Store().Read(t.Context(), "user.ann", 1, store.MaxBatch, 1<<20)
	if err != nil || len(asked.Messages) != 11 {
		t.Fatalf("%d messages, %v; want 11", len(asked.Messages), err)
	}
	own, ok := h.node.Store().After(t.Context(), "user.ann", 0, asked.Messages[10].Seq, store.MaxBatch, 1<<20)
	if !ok {
		t.Fatal("the copy of a standalone node does not know its own stream")
	}
	describe := func(list []event.Stored) (lines []string) {
		for _, s := range list {
			if s.Unreadable { // a request gives several in a row the sequence of the last
				lines = append(lines, fmt.Sprintf("unreadable %q %q", s.Subject, s.Data))
				continue
			}
			kind, err := event.TypeOf(&s)
			source, since := s.Origin()
			lines = append(lines, fmt.Sprint(s.Subject, s.Seq, string(s.Data), kind, err, source, since.UTC(), s.Time().UTC(), s.Stamp(), string(s.Headers())))
		}
		return lines
	}
	want(t, "messages", describe(own.Messages), describe(asked.Messages))
}

// What retention has removed is not for the own copy to judge: it does not know.
func TestTheOwnCopyDoesNotSpeakOfWhatMayBeGone(t *testing.T) {
	t.Parallel()
	h := open(t, func(c *jetstream.Config) { c.Events.MaxPerSubject = 5 })
	seqs := func() (list []uint64) {
		b, err := h.node.Store().Read(t.Context(), "user.ann", 1, store.MaxBatch, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range b.Messages {
			list = append(list, m.Seq)
		}
		return list
	}
	publish(t, h, "user.ann", 1, 5)
	before := seqs()
	publish(t, h, "user.bob", 1, 1)
	publish(t, h, "user.ann", 6, 3)
	after := seqs()
	if len(before) != 5 || len(after) != 5 || after[0] != before[3] {
		t.Fatalf("stored at %v, then at %v", before, after)
	}
	for _, c := range []struct {
		name  string
		after uint64
		ok    bool
		n     int
	}{
		{"from the beginning", 0, false, 0},
		{"what was stored before the oldest is gone", before[0], false, 0},
		{"the oldest is what it had", after[0], true, 4},
		{"right before the oldest", after[0] - 1, true, 5},
		{"fewer follow than the limit", after[1] - 1, true, 4},
		{"nothing follows", after[4], true, 0},
	} {
		b, ok := h.node.Store().After(t.Context(), "user.ann", c.after, after[4], store.MaxBatch, 1<<20)
		if ok != c.ok || len(b.Messages) != c.n {
			t.Errorf("%s: %d messages, ok %v; want %d, %v", c.name, len(b.Messages), ok, c.n, c.ok)
		}
	}
	if _, ok := h.node.Store().After(t.Context(), "user.ann", after[4], after[4]+1000, 1, 1); ok {
		t.Error("it speaks of what it has not come to")
	}
	if b, ok := h.node.Store().After(t.Context(), "user.ann", 1<<40, 0, 1, 1); ok && len(b.Messages) > 0 {
		t.Error("it has messages from the future")
	}
}

func (h *site) localReads(t testing.TB) (n float64) {
	t.Helper()
	families, err := h.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "weft_feed_local_reads_total" {
			n = f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return n
}

// Who comes back is served by the own copy.
func TestWhoComesBackIsAnsweredByTheOwnCopy(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	publish(t, h, "user.ann", 1, 3)
	c, r := follow(t, h, "", "user.ann", "topic.all")
	publish(t, h, "user.ann", 4, 1)
	c.untilEvents(1)
	r.Close()
	publish(t, h, "user.ann", 5, 2)
	publish(t, h, "topic.all", 1, 2)
	h.waitWatermark(t) // the feeds, which linger, know of all that
	before := h.localReads(t)
	c, r = follow(t, h, c.lastID(), "user.ann", "topic.all")
	c.untilEvents(4)
	if h.localReads(t) < before+2 {
		t.Errorf("%v reads of the own copy, %v before", h.localReads(t), before)
	}
	got := slices.Sorted(slices.Values(c.seen()))
	want(t, "events", got, slices.Sorted(slices.Values(slices.Concat(numbered("user.ann", 5, 6), numbered("topic.all", 1, 2)))))
	r.Close()
	if strings.Contains(fmt.Sprint(c.resets), "trimmed") {
		t.Errorf("resets: %v", c.resets)
	}
}
