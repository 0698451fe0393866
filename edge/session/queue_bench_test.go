package session

import (
	"testing"

	"weft/edge/auth"
	"weft/jetstream/event"
	"weft/jetstream/feed"
)

// What a connection adds to an event's road: its filters, its queue, and the hand-over
// to a writer.
func BenchmarkAnEventThroughAQueue(b *testing.B) {
	for name, c := range map[string]struct {
		burst  int
		id     string
		filter Filter
	}{
		"one at a time":                  {1, "", Filter{}},
		"eight at a time":                {8, "", Filter{}},
		"with a cursor of its own":       {1, "an-id-of-its-own", Filter{}},
		"with a cursor that others have": {1, "shared", Filter{}},
		"with a filter that passes":      {1, "", Filter{exact: []string{"order.paid"}}},
	} {
		b.Run(name, func(b *testing.B) {
			q := testQueue(1 << 20)
			s := New(Config{Identity: &auth.Identity{}, Filter: c.filter, Outbox: q.Queue, Delivered: func() {}})
			to := s.Receiver()
			m := &feed.Message{Subject: "user.ann", Type: "order.paid", Data: []byte(`{"n":1}`), Seq: 1}
			m.GoesTo(1000)
			id := c.id
			if id == "shared" {
				id = m.Cursor(event.StreamID{}, 0, []event.Position{{Seq: 1}})
			}
			b.ReportAllocs()
			for b.Loop() {
				for range c.burst {
					to.Event(m, id)
				}
				q.Take()
				q.Wrote()
			}
		})
	}
}
