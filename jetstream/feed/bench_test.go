package feed

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/nats-io/nats.go"
)

// none is a connection that takes all and does nothing with it.
type none struct{ n int }

func (*none) Opened(Opened)              {}
func (*none) Reset(Reset, string)        {}
func (c *none) Event(*Message, string)   { c.n++ }
func (*none) Keepalive(string)           {}
func (*none) CaughtUp()                  {}
func (*none) Room(context.Context) error { return nil }
func (*none) Owner() string              { return "" }

// BenchmarkACopyOnItsWay is what the hub's reader does with a copy: the hot path from
// NATS to the connections of a user, of which there are 1000.
func BenchmarkACopyOnItsWay(b *testing.B) {
	const users = 1000
	h := open(b, nil)
	feeds := make([]*feed, users)
	previous := make([]uint64, users)
	for i := range feeds {
		r, err := h.Follow(b.Context(), []string{fmt.Sprint("user.u", i)}, "", &none{})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(r.Close)
		feeds[i] = h.lookup(fmt.Sprint("out.user.u", i))
	}
	seq := feeds[0].position() + 1000
	h.cancel() // no ticks of the node's own
	h.tasks.Wait()
	copies := make([]*nats.Msg, 4096)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if n%len(copies) == 0 {
			b.StopTimer()
			for i := range copies {
				u := i % users
				s := fmt.Sprint("user.u", u)
				seq++
				m := nats.NewMsg("out." + s)
				for k, v := range map[string]string{"Nats-Stream": "EVENTS", "Nats-Subject": s, "Nats-Sequence": strconv.FormatUint(seq, 10),
					"Nats-Last-Sequence": strconv.FormatUint(previous[u], 10), "Nats-Time-Stamp": "2026-01-02T03:04:05.678901234Z"} {
					m.Header[k] = []string{v}
				}
				m.Data = []byte(`{"hello":"world"}`)
				previous[u] = seq
				copies[i] = m
			}
			h.ticks.floor.Store(seq - uint64(len(copies))) // as ticks would
			h.ticks.last.Store(seq - uint64(len(copies)))
			b.StartTimer()
		}
		h.take(copies[n%len(copies)])
	}
}
