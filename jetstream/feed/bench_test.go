package feed

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream"
	"weft/jetstream/event"
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
	cfg := jetstream.Default()
	cfg.Node.Name, cfg.Node.DataDir, cfg.Node.Listen = "n1", b.TempDir(), "127.0.0.1:0"
	log := slog.New(slog.DiscardHandler)
	node := jetstream.New(cfg, log, prometheus.NewRegistry())
	if err := node.Open(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { node.Close() })
	h := New(Params{Store: node.Store(), Presence: node.Presence(), OpenCopies: Live(node.OpenLive), Relinked: node.Cluster().Links().Relinked,
		Clustered: node.Clustered(), Token: node.Token()}, log, prometheus.NewRegistry())
	if err := h.Open(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { h.Close() })
	feeds := make([]*feed, users)
	previous := make([]uint64, users)
	for i := range feeds {
		r, err := h.Follow(b.Context(), []string{fmt.Sprint("user.u", i)}, Start{}, &none{})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(r.Close)
		feeds[i] = h.feedOf(fmt.Sprint("user.u", i))
	}
	seq := feeds[0].position() + 1000
	h.cancel() // no ticks of the node's own
	h.tasks.Wait()
	copies := make([]event.Copy, 4096)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if n%len(copies) == 0 {
			b.StopTimer()
			for i := range copies {
				u := i % users
				seq++
				copies[i] = event.Copy{Subject: fmt.Append(nil, "out.user.u", u), Seq: seq, Previous: previous[u], Stamp: uint32(seq) | 1,
					Data: []byte(`{"hello":"world"}`)}
				previous[u] = seq
			}
			h.ticks.low.Store(seq - uint64(len(copies))) // as ticks would
			h.ticks.last.Store(seq - uint64(len(copies)))
			b.StartTimer()
		}
		h.take(&copies[n%len(copies)])
	}
}
