package session

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"weft/edge/wire"
	"weft/jetstream/feed"
)

// fanOut is from what fan-out size on an event may wait for others that go to few.
const fanOut = 256

// frameCost is what a frame takes beside its own bytes, in bytes: a client can
// make very many tiny ones wait for it, such as pongs.
const frameCost = 48

// little is the part of its limit up to which a queue is as good as empty: a
// keep-alive that is on its way must not make the next large event too much.
const little = 256

// PingEvery is which keep-alive of a WebSocket asks for a pong: an answer costs more
// than the keep-alive.
const PingEvery = 4

// slack is by how much Weft's own frames may exceed a queue's limit.
const slack = 64 << 10

// A Queue is the Outbox of a connection that stays open. It is bounded in bytes
// of memory, what is being written included; when it is empty it takes one frame
// of any size. It holds references to frames that are shared by many connections.
//
// A transport whose frames are in none of wire's formats embeds it in an outbox of its
// own, which has Opened, Control, Event, Skipped and Keepalive, and hands what it
// spells to Append and Put.
type Queue struct {
	spelling *Spelling
	writer   Writer

	mu      sync.Mutex
	frames  [][]byte
	single  [1][]byte // holds the frames when there is one and none is being written
	pending int       // bytes in frames, with frameCost for each
	writing int       // bytes that the writer has taken
	room    chan struct{}
	skipped *skipped // nil when nothing was, since the last id
	granted uint8    // frames of a replay that may exceed the limit
	ended   bool
	opening uint8   // how far weft.open is on its way
	of      string  // whose events the first frames are; "" for frames of Weft's own
	marks   *[]mark // where other frames follow, nil when none do
	beats   uint8   // keep-alives; begins anywhere, so that those who came together are not all asked at once
}

// How far weft.open is on its way.
const (
	openQueued = iota + 1
	openTaken
)

// skipped is the newest event that was filtered, and where the client stands with
// it; "" for the event's own id.
type skipped struct {
	m  *feed.Message
	id string
}

// A Spelling says how the queues of one kind of connection spell what they
// hold; they share it.
type Spelling struct {
	Format wire.Format
	// Limit of a queue in bytes.
	Limit int
	// Keepalives shares the frames among connections.
	Keepalives *wire.Keepalives
	// Keepalive is the time between two of them, which weft.open tells: a client gives up
	// a connection that is silent for much longer.
	Keepalive time.Duration
	// Closing spells the farewell for a cause, with what an operator says of it, or "";
	// nil bytes for none.
	Closing func(c Cause, detail string) []byte
}

// A Writer empties a queue. Its methods are called from any goroutine and must
// not block.
type Writer interface {
	// Wake tells that there is something to take. It is called with the queue
	// locked. With bulk it may wait: it is one of very many deliveries.
	Wake(bulk bool)
	// Hurry is called once after the end, so that a writer that is stuck with a
	// stalled client comes back soon.
	Hurry(c Cause)
}

// NewQueue makes an empty queue.
func NewQueue(spelling *Spelling, writer Writer) *Queue {
	return &Queue{spelling: spelling, writer: writer, beats: uint8(rand.Uint32N(PingEvery))}
}

// Opened implements Outbox: the first frame of a connection is weft.open.
func (q *Queue) Opened(s *Session, o feed.Opened) {
	data := make([]byte, 0, 192)
	member := func(name, value string) {
		data = append(data, name...)
		data = wire.AppendString(data, value)
	}
	member(`{"connection":`, s.about.ID)
	member(`,"node":`, s.about.Node)
	if user := s.Identity().User; user != "" {
		member(`,"user":`, user)
	}
	data = append(data, `,"subjects":[`...)
	_, present := s.Wanted()
	for i, sub := range slices.Concat(o.Subjects, present) {
		if i > 0 {
			data = append(data, ',')
		}
		data = wire.AppendString(data, sub)
	}
	member(`],"resume":`, o.Resume)
	data = append(data, `,"keepalive":`...)
	data = strconv.AppendFloat(data, q.spelling.Keepalive.Seconds(), 'f', -1, 64)
	q.mu.Lock()
	q.opening = openQueued
	q.mu.Unlock()
	q.Control(wire.TypeOpen, o.ID, append(data, '}'))
}

// Control implements Outbox.
func (q *Queue) Control(typ, id string, data []byte) bool {
	if id != "" {
		q.forget()
	}
	return q.put(slack, nil, q.spelling.Format.Control(id, typ, data))
}

// Event implements Outbox.
func (q *Queue) Event(m *feed.Message, id string) bool {
	head, rest := q.spelling.Format.Event(m, id)
	return q.Append(m, head, rest)
}

// Append is Event for an outbox that embeds a Queue and spells m itself: head is the
// connection's own and may be nil, rest is shared.
func (q *Queue) Append(m *feed.Message, head, rest []byte) bool {
	return q.add(0, head, rest, m.Subject, m.FanOut() >= fanOut)
}

// Skipped implements Outbox. The next keep-alive, or event, tells the client.
func (q *Queue) Skipped(m *feed.Message, id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.skipped == nil {
		q.skipped = new(skipped)
	}
	*q.skipped = skipped{m, id}
}

// forget is told when the client hears where it stands.
func (q *Queue) forget() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.skipped = nil
}

// Keepalive implements Outbox. A connection that has something to write needs
// none; over WebSocket it is still asked for a pong, by one in PingEvery.
func (q *Queue) Keepalive(id string) {
	q.mu.Lock()
	q.beats++
	ask := q.beats%PingEvery == 0 && q.spelling.Format.IsWebSocket()
	busy := q.pending+q.writing > 0
	if !busy {
		if s := q.skipped; id == "" && s != nil {
			if id = s.id; id == "" {
				id = s.m.ID()
			}
		}
		q.skipped = nil
	}
	q.mu.Unlock()
	switch {
	case !busy:
		q.put(slack, nil, q.spelling.Keepalives.Frame(q.spelling.Format, id, ask))
	case ask:
		q.put(slack, nil, wire.Ping())
	}
}

// CaughtUp implements Outbox.
func (q *Queue) CaughtUp() {}

// Room implements Outbox: there is room when at most half of the limit is in
// use. The event that follows is taken whatever its size.
func (q *Queue) Room(ctx context.Context) error {
	for {
		q.mu.Lock()
		if q.ended {
			q.mu.Unlock()
			return context.Canceled
		}
		if q.pending+q.writing <= q.spelling.Limit/2 {
			q.granted = 1
			q.mu.Unlock()
			return nil
		}
		if q.room == nil {
			q.room = make(chan struct{})
		}
		room := q.room
		q.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Put appends a frame of the transport's own. It is false when there is no room
// for it, which must end the session.
func (q *Queue) Put(frame []byte) bool { return q.put(slack, nil, frame) }

func (q *Queue) put(extra int, head, rest []byte) bool { return q.add(extra, head, rest, "", false) }

func (q *Queue) add(extra int, head, rest []byte, of string, bulk bool) bool {
	n := len(head) + len(rest) + frameCost
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return true // dropped: the client has been told where it stands
	}
	if used := q.pending + q.writing; used > q.spelling.Limit/little && used+n > q.spelling.Limit+extra {
		if extra > 0 || q.granted == 0 {
			return false
		}
		q.granted--
	}
	if extra == 0 {
		q.skipped = nil
	}
	if len(q.frames) == 0 {
		q.of = of // as mark does; nearly always
	} else {
		q.mark(of)
	}
	if q.frames == nil && q.writing == 0 && head == nil {
		q.frames = q.single[:0]
	}
	if head != nil {
		q.frames = append(q.frames, head)
	}
	q.frames = append(q.frames, rest)
	q.pending += n
	q.writer.Wake(bulk)
	return true
}

// Finish appends the last frame, after which the queue takes nothing: what the
// session's end would say is dropped. There is somebody to tell, who has as long as
// one who is dismissed.
func (q *Queue) Finish(frame []byte) {
	q.mu.Lock()
	if q.ended {
		q.mu.Unlock()
		return
	}
	q.frames = append(q.frames, frame)
	q.pending += len(frame)
	q.ended = true
	q.opened()
	q.writer.Wake(false)
	q.mu.Unlock()
	q.writer.Hurry(Dismissed)
}

// End implements Outbox.
func (q *Queue) End(c Cause, detail string) {
	q.mu.Lock()
	if q.ended { // by Finish
		q.mu.Unlock()
		return
	}
	if c.Ending().Cut {
		q.drop(func(string) bool { return true })
	}
	if bye := q.spelling.Closing(c, detail); bye != nil {
		q.frames = append(q.frames, bye)
		q.pending += len(bye)
	}
	q.ended = true
	q.opened()
	q.writer.Wake(false)
	q.mu.Unlock()
	q.writer.Hurry(c)
}

// opened tells those who wait in Room to look again.
func (q *Queue) opened() {
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
}

// Take hands over all that is pending; the slice is the taker's until Wrote. With
// last nothing follows. There is one taker.
func (q *Queue) Take() (frames [][]byte, last bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	frames = q.frames
	if q.opening == openQueued && len(frames) > 0 && !q.ended {
		q.opening = openTaken
	}
	q.frames, q.marks, q.writing, q.pending = nil, nil, q.pending, 0
	return frames, q.ended
}

// Wrote tells that all that was taken is written, or never will be. It reports,
// once, whether weft.open was part of it.
func (q *Queue) Wrote() (opened bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.opening == openTaken {
		q.opening, opened = 0, true
	}
	if q.writing > 0 { // otherwise what came meanwhile may be there
		q.writing, q.single[0] = 0, nil
	}
	q.opened() // whoever waits in Room looks again
	return opened
}
