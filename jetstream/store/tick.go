package store

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"weft/jetstream/api"
)

// A Ticker sends messages of no meaning through the stream.
type Ticker struct {
	params       *Params
	stream       *Stream
	conn         *nats.Conn
	reply        string
	made         time.Time
	acknowledged atomic.Int64 // the uptime when the store last took a message; 0: no tick was sent yet
}

func newTicker(p *Params, s *Stream) *Ticker { return &Ticker{params: p, stream: s, made: time.Now()} }

// Tick sends a message of no meaning through the stream, which every node uses
// to know how far it has read: a delivery copy comes back on out.tick.<node>.
// With a mark, it goes to a subject of its own and so stays until age or size
// removes it. By its payload the node knows it again. Tick does not wait. It fails
// with api.ErrIsolated on a node that is cut off: if that node leads the stream,
// each tick would be an entry in its log that nobody agrees to, and that must be
// taken back one by one when it meets the others again.
func (t *Ticker) Tick(mark string, payload []byte) error {
	if t.params.CutOff() {
		return api.ErrIsolated
	}
	s := tickSubject(t.params)
	if mark != "" {
		s += "." + mark
	}
	t.acknowledged.CompareAndSwap(0, t.uptime())
	return t.conn.PublishRequest(s, t.reply, payload)
}

func tickSubject(p *Params) string { return "tick." + p.Token }

// open receives the acknowledgements of ticks.
func (t *Ticker) open(conn *nats.Conn) error {
	t.conn, t.reply = conn, conn.NewInbox()
	_, err := conn.Subscribe(t.reply, func(m *nats.Msg) {
		if ack, err := api.AckOf(m); err == nil {
			t.stream.reach(ack.Seq)
			t.took()
		}
	})
	if err != nil {
		return fmt.Errorf("subscribe for ticks: %w", err)
	}
	return nil
}

// took is told that the store has taken a message.
func (t *Ticker) took() { t.acknowledged.Store(t.uptime()) }

// Silence is for how long the store has acknowledged neither a tick nor an event of a
// pipeline, 0 while no tick was sent yet. A tick may wait behind much on a busy machine;
// a store that takes what is before it is not stuck.
func (t *Ticker) Silence() time.Duration {
	last := t.acknowledged.Load()
	if last == 0 {
		return 0
	}
	return time.Duration(t.uptime() - last)
}

// uptime is a clock in nanoseconds, never 0, that does not jump with the wall
// clock.
func (t *Ticker) uptime() int64 { return int64(time.Since(t.made)) + 1 }
