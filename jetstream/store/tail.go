package store

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
	"time"

	js "github.com/nats-io/nats.go/jetstream"

	"weft/jetstream/api"
	"weft/jetstream/event"
)

// tailPause is the pause before a tail is read on after an error.
const tailPause = 100 * time.Millisecond

// hashedID begins an id that is a hash: it does not say whose it is.
const hashedID = "#"

// ErrBeyond means that a place is beyond the end of the stream, or in another life of it.
var ErrBeyond = errors.New("the place is not in the stream")

// Bounds are between which sequences the stream has messages.
type Bounds struct {
	Stream event.StreamID
	First  uint64
	// End is at least the sequence of all that was acknowledged before it was asked for.
	End uint64
}

// Behind returns how many messages are behind a place at most.
func (b Bounds) Behind(p Place) (uint64, error) {
	if p.Stream != b.Stream || p.Seq > b.End {
		return 0, ErrBeyond
	}
	return b.End + 1 - min(max(b.First, p.Seq+1), b.End+1), nil
}

// Bounds asks for the bounds of the stream, which takes a majority. It fails with
// ErrUnavailable: try again.
func (d *Deduplication) Bounds(ctx context.Context) (Bounds, error) {
	st, err := d.stream.State(ctx)
	if err != nil {
		return Bounds{}, err
	}
	end, err := d.reader.barrier(ctx)
	return Bounds{Stream: st.ID, First: st.First, End: end}, err
}

// A TailRequest says which part of the stream is read, and for whom.
type TailRequest struct {
	After uint64 // behind this sequence
	End   uint64 // at least to this one
	// From has, by series (see event.SplitSeries), from which number on ids are to be
	// known. Those of other series are not kept.
	From map[string]int64
	// Progress, if it is set, is told now and then how many messages were read and how
	// many are left.
	Progress func(read, left uint64)
}

// progressEvery is how many messages are read between two calls of Progress.
const progressEvery = 50_000

// A Tail is what is known of the ids that are stored behind a sequence, after one read of
// headers in the stream's order, however many subjects there are. ReadTail has ended before
// anybody has it, and it is not changed any more.
type Tail struct {
	limit  int // per subject
	seed   maphash.Seed
	series map[string]*seriesTail
	ids    map[uint64]struct{}
	count  map[uint64]int // messages by subject
	next   uint64         // the first sequence that was not read yet
	read   uint64
	hashed bool
}

// seriesTail is what the tail has of one series.
type seriesTail struct {
	from   int64
	last   int64            // the highest number, -1 for none
	oldest map[uint64]int64 // the lowest number by subject
}

// ReadTail reads the stream's tail. It reads to the end of what is stored at the moment, so
// that of a subject from which the limit removes messages meanwhile the newer ones are
// counted. When the stream cannot be read it tries on, from where it was; its error is ctx's.
func (d *Deduplication) ReadTail(ctx context.Context, r TailRequest) (*Tail, error) {
	t := newTail(d.stream.params.Limits.MaxPerSubject, &r)
	for told := false; ; told = true {
		err := d.readOn(ctx, t, &r)
		if err == nil {
			return t, nil
		}
		if ctx.Err() == nil && !told {
			d.stream.params.Log.Warn("cannot read the stream's tail; trying on", "from", t.next, "to", r.End, "err", err)
		}
		if !api.Sleep(ctx, tailPause) {
			return nil, ctx.Err()
		}
	}
}

func newTail(limit int, r *TailRequest) *Tail {
	t := &Tail{limit: limit, seed: maphash.MakeSeed(), series: make(map[string]*seriesTail, len(r.From)),
		ids: map[uint64]struct{}{}, count: map[uint64]int{}, next: r.After + 1}
	for series, from := range r.From {
		t.series[series] = &seriesTail{from: from, last: -1, oldest: map[uint64]int64{}}
	}
	return t
}

// readOn reads until the end is reached.
func (d *Deduplication) readOn(ctx context.Context, t *Tail, r *TailRequest) error {
	if t.next > r.End {
		return nil
	}
	c, err := api.Consume(ctx, d.stream.params.Client.JS, event.StreamName, js.ConsumerConfig{
		DeliverPolicy: js.DeliverByStartSequencePolicy, OptStartSeq: t.next, HeadersOnly: true})
	if err != nil {
		return err
	}
	defer c.Stop()
	for {
		m, more, err := c.Next(js.NextMaxWait(readTry))
		if err != nil {
			return fmt.Errorf("%w: %w", api.ErrUnavailable, err)
		}
		t.next = m.Seq + 1
		t.note(m.Subject, d.stream.bare(event.FirstValue(m.Header, event.HeaderMsgID)))
		if m.Seq >= r.End && more == 0 {
			return nil
		}
		if r.Progress != nil && t.read%progressEvery == 0 {
			r.Progress(t.read, more)
		}
	}
}

// note enters a message with its bare id.
func (t *Tail) note(subject, id string) {
	t.read++
	at := t.hash(subject)
	t.count[at]++
	if strings.HasPrefix(id, hashedID) {
		t.hashed = true
		t.ids[t.hash(id)] = struct{}{}
		return
	}
	name, number, ok := event.SplitSeries(id, subject)
	series := t.series[name]
	if !ok || series == nil {
		return
	}
	if oldest, known := series.oldest[at]; !known || number < oldest {
		series.oldest[at] = number
	}
	if number >= series.from {
		t.ids[t.hash(id)] = struct{}{}
	}
	series.last = max(series.last, number)
}

func (t *Tail) hash(s string) uint64 { return maphash.String(t.seed, s) }

// Has reports whether the tail has, or had, an event under a subject, as HasID does:
// one that the limit per subject has removed is known by its series.
func (t *Tail) Has(subject string, name event.MsgID) bool {
	id := name.Text("", subject)[1:]
	if _, ok := t.ids[t.hash(id)]; ok {
		return true
	}
	of, number, ok := event.SplitSeries(id, subject)
	series, at := t.series[of], t.hash(subject)
	if !ok || series == nil || t.count[at] < t.limit {
		return false
	}
	oldest, known := series.oldest[at]
	return known && number < oldest
}

// Last returns the highest number of a series that is in the tail, -1 without one. An id
// that is a hash is of no series.
func (t *Tail) Last(series string) int64 {
	if s := t.series[series]; s != nil {
		return s.last
	}
	return -1
}

// Hashed reports whether there are ids in the tail that do not say whose they are.
func (t *Tail) Hashed() bool { return t.hashed }

// Read returns how many messages the tail had.
func (t *Tail) Read() uint64 { return t.read }
