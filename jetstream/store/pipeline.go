package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"weft/jetstream/api"
	"weft/jetstream/event"
)

const (
	// DefaultWindow is how many events a Pipeline has in flight.
	DefaultWindow = 1024
	// stallAfter is the silence after which a pipeline begins to repair.
	stallAfter = time.Second
	// repairPause is the first pause between two tries to store the oldest event,
	// each later one is longer by as much. A new leader takes events a moment
	// after it has said that it leads.
	repairPause = 20 * time.Millisecond
)

// ErrAbandoned is returned by a Pipeline that sends nothing more.
var ErrAbandoned = errors.New("pipeline abandoned")

// PipelineConfig says how wide a pipeline is and who is told what. The
// callbacks are called one at a time, with the pipeline's lock held: they must
// not block and must not call the pipeline.
type PipelineConfig struct {
	// Window is how many events are in flight at most.
	Window int
	// Stored is told the highest mark up to which everything is settled, and a lower
	// bound of where what was put behind it is stored, or will be.
	Stored func(mark int64, place Place)
	// Refused is told of an event that the store will never take. Its mark
	// counts as settled afterwards.
	Refused func(e event.Event, mark int64, err error)
}

// The states of a pipeline. What is put is sent at once while it flows, else once it
// flows again:
//
//	flowing    an answer is an error or stays away, another node leads, the disk is
//	           full, the connection fails: broken
//	broken     the stream may have forgotten the ids of what is in flight: searching;
//	           else: probing
//	searching  what is stored already is settled, to send it again would store it
//	           twice: probing; it cannot be read: waiting
//	probing    the oldest event is sent alone; it is stored or refused for good, and
//	           the rest sent again in order: flowing; it is not: waiting
//	waiting    a pause, longer each time, is over: broken
type state uint8

const (
	flowing state = iota
	broken
	searching
	probing
	waiting
)

// A Pipeline stores a sequence of events in their order, a window of them in
// flight. When an answer is an error, or stays away, it stops, sends the oldest
// event again, alone, until that is stored, then the rest in order: going on
// would let a later event of a subject overtake. Events should have an ID, so
// that what is sent twice is stored once.
//
// Put, Mark and Flush are called by one goroutine at a time; Abandon and Close
// by any.
type Pipeline struct {
	to     *Publisher
	cfg    PipelineConfig
	prefix string
	sub    *nats.Subscription
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{} // what keeps it going has ended
	trust  time.Duration // how long the stream surely remembers an id

	mu       sync.Mutex
	state    state
	broke    chan struct{} // gets a token when it flows no more
	changed  chan struct{} // closed and replaced when slots get free
	ring     []pipeSlot
	oldest   uint64    // number of the oldest unsettled slot
	next     uint64    // number of the next slot
	sending  uint64    // part of each reply subject: answers to an earlier sending are ignored
	progress time.Time // of the oldest slot
	reached  Place     // the newest sequence that was acknowledged here
}

// pipeSlot is one entry of the ring: an event, or only a mark.
type pipeSlot struct {
	event   event.Event
	msg     *nats.Msg // nil: settled
	mark    int64
	floor   uint64     // the event can be stored beyond this sequence only
	began   time.Time  // when the event was put
	answers chan error // set while the event is sent alone
}

// NewPipeline makes a pipeline. Close must be called.
func (p *Publisher) NewPipeline(cfg PipelineConfig) (*Pipeline, error) {
	if cfg.Window <= 0 {
		cfg.Window = DefaultWindow
	}
	pipe := &Pipeline{to: p, cfg: cfg, prefix: p.params.Client.Conn.NewInbox() + ".", ring: make([]pipeSlot, cfg.Window),
		changed: make(chan struct{}), broke: make(chan struct{}, 1), done: make(chan struct{}),
		trust: min(duplicateWindow, p.params.Limits.MaxAge) / 2}
	pipe.ctx, pipe.cancel = context.WithCancel(context.Background())
	sub, err := p.params.Client.Conn.Subscribe(pipe.prefix+">", pipe.answer)
	if err != nil {
		pipe.cancel()
		return nil, fmt.Errorf("open pipeline: %w", err)
	}
	pipe.sub = sub
	go pipe.run()
	return pipe, nil
}

// Put sends e after all that was put before. It blocks while the window is
// full. Its errors are ctx's and ErrAbandoned, and those of Event.Check, after
// which the event is not in the pipeline. A mark of -1 is never told: it is for
// a copy that is not the last one of its record.
func (p *Pipeline) Put(ctx context.Context, e event.Event, mark int64) error {
	if err := e.Check(); err != nil {
		return err
	}
	return p.enter(ctx, pipeSlot{event: e, msg: p.to.message(&e), mark: mark, began: time.Now()})
}

// Mark enters a record that makes no event, at its place in the order.
func (p *Pipeline) Mark(ctx context.Context, mark int64) error {
	return p.enter(ctx, pipeSlot{mark: mark})
}

func (p *Pipeline) enter(ctx context.Context, s pipeSlot) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.next-p.oldest >= uint64(len(p.ring)) {
		if err := p.waitLocked(ctx); err != nil {
			return err
		}
	}
	if p.ctx.Err() != nil {
		return ErrAbandoned
	}
	if p.next == p.oldest {
		p.progress = time.Now()
	}
	n := p.next
	s.floor = p.reachedLocked()
	p.ring[n%uint64(len(p.ring))] = s
	p.next++
	switch {
	case s.msg == nil:
		p.settleLocked()
	case p.state != flowing: // it will be sent in its turn
	case p.to.params.DiskFull():
		p.breakLocked()
	default:
		p.sendLocked(n, &s)
	}
	return nil
}

// waitLocked waits for a change with the lock released.
func (p *Pipeline) waitLocked(ctx context.Context) error {
	if p.ctx.Err() != nil {
		return ErrAbandoned
	}
	changed := p.changed
	p.mu.Unlock()
	defer p.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-p.ctx.Done():
		return ErrAbandoned
	}
}

// Flush waits until all that was put is settled.
func (p *Pipeline) Flush(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.oldest != p.next {
		if err := p.waitLocked(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (p *Pipeline) sendLocked(n uint64, s *pipeSlot) {
	m := *s.msg
	m.Reply = p.prefix + strconv.FormatUint(p.sending, 36) + "." + strconv.FormatUint(n, 36)
	if err := p.to.params.Client.Conn.PublishMsg(&m); err != nil {
		p.breakLocked()
	}
}

// breakLocked ends the flow. Answers of before are ignored from now on.
func (p *Pipeline) breakLocked() {
	if p.state != flowing {
		return
	}
	p.state = broken
	p.sending++
	p.to.metrics.repairs.Inc()
	select {
	case p.broke <- struct{}{}:
	default:
	}
}

// answer receives the stream's answers, one at a time.
func (p *Pipeline) answer(m *nats.Msg) {
	sending, slot, _ := strings.Cut(m.Subject[len(p.prefix):], ".")
	e, err1 := strconv.ParseUint(sending, 36, 64)
	n, err2 := strconv.ParseUint(slot, 36, 64)
	if err1 != nil || err2 != nil {
		return
	}
	ack, err := api.AckOf(m)
	if err == nil {
		p.to.took()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reached.Seq = max(p.reached.Seq, ack.Seq)
	if e != p.sending || n < p.oldest || n >= p.next || p.ctx.Err() != nil {
		return
	}
	s := &p.ring[n%uint64(len(p.ring))]
	if s.answers != nil {
		select {
		case s.answers <- err:
		default:
		}
		return
	}
	if s.msg == nil {
		return
	}
	if err != nil && !errors.Is(err, api.ErrRefused) {
		p.breakLocked()
		return
	}
	p.settleSlotLocked(s, err)
}

func (p *Pipeline) settleSlotLocked(s *pipeSlot, err error) {
	if err == nil {
		p.to.metrics.stored(s.began)
	} else if p.cfg.Refused != nil {
		p.cfg.Refused(s.event, s.mark, err)
	}
	s.msg, s.event = nil, event.Event{}
	p.settleLocked()
}

// settleLocked moves the frontier over all settled slots.
func (p *Pipeline) settleLocked() {
	mark, behind, moved := int64(-1), p.oldest, false
	for p.oldest != p.next {
		s := &p.ring[p.oldest%uint64(len(p.ring))]
		if s.msg != nil {
			break
		}
		p.oldest++
		moved = true
		if s.mark > mark {
			mark, behind = s.mark, p.oldest
		}
	}
	if !moved {
		return
	}
	p.progress = time.Now()
	if mark >= 0 && p.cfg.Stored != nil && p.ctx.Err() == nil {
		p.cfg.Stored(mark, p.placeLocked(behind))
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// Abandon makes the pipeline send nothing more: its partition belongs to
// another. Nothing is told of what is still in flight.
func (p *Pipeline) Abandon() { p.cancel() }

// Close abandons the pipeline and frees what it holds.
func (p *Pipeline) Close() error {
	p.cancel()
	<-p.done
	if err := p.sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) && !errors.Is(err, nats.ErrBadSubscription) {
		return fmt.Errorf("close pipeline: %w", err)
	}
	return nil
}
