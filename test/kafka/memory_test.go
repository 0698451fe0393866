package kafka_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"weft/bridge/kafka"
	"weft/jetstream/api"
	"weft/jetstream/event"
	"weft/jetstream/store"
)

// memory is a store that can be made to fail. It drops no duplicates, so that
// nothing but the consumer's own care keeps an event from being there twice.
type memory struct {
	mu      sync.Mutex
	events  []event.Event
	ids     map[copyOf]bool
	away    bool
	changed chan struct{} // closed when away changes
	refuse  func(event.Event) error
	open    int // pipelines
	late    int // events put after Abandon
	tails   []store.TailRequest
	lookups int // one by one
	before  int // messages of others that are stored before all events
	// awayAfter is after how many look-ups the store goes away; 0: never.
	awayAfter int
}

// copyOf is what an event is known by: one record may go to several subjects.
type copyOf struct {
	subject string
	id      event.MsgID
}

func newMemory() *memory { return &memory{ids: map[copyOf]bool{}, changed: make(chan struct{})} }

func (m *memory) setAway(away bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = away
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *memory) all() []event.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]event.Event(nil), m.events...)
}

func (m *memory) count() int { return len(m.all()) }

func (m *memory) HasID(_ context.Context, subject string, id event.MsgID) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return false, api.ErrUnavailable
	}
	if m.lookups++; m.lookups == m.awayAfter {
		m.away = true
	}
	return m.ids[copyOf{subject, id}], nil
}

// memoryID is the identity of each memory as a stream.
var memoryID = event.StreamID{'m'}

func (m *memory) placeLocked() store.Place {
	return store.Place{Stream: memoryID, Seq: uint64(m.before + len(m.events))}
}

func (m *memory) Place() store.Place {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.placeLocked()
}

func (m *memory) Bounds(context.Context) (store.Bounds, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return store.Bounds{}, api.ErrUnavailable
	}
	return store.Bounds{Stream: memoryID, First: 1, End: uint64(m.before + len(m.events))}, nil
}

// ReadTail implements kafka.Store.
func (m *memory) ReadTail(_ context.Context, r store.TailRequest) (kafka.Tail, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tails = append(m.tails, r)
	t := &memoryTail{ids: map[copyOf]bool{}, last: map[string]int64{}}
	for i := max(int(r.After)-m.before, 0); i < len(m.events); i++ {
		e := &m.events[i]
		t.ids[copyOf{e.Subject, e.ID}] = true
		if series, number, ok := event.SplitSeries(e.ID.Text("", e.Subject)[1:], e.Subject); ok {
			t.last[series] = max(t.last[series], number)
		}
		t.read++
	}
	return t, nil
}

type memoryTail struct {
	ids  map[copyOf]bool
	last map[string]int64
	read uint64
}

func (t *memoryTail) Has(subject string, id event.MsgID) bool { return t.ids[copyOf{subject, id}] }
func (t *memoryTail) Hashed() bool                            { return false }
func (t *memoryTail) Read() uint64                            { return t.read }

func (t *memoryTail) Last(series string) int64 {
	if last, ok := t.last[series]; ok {
		return last
	}
	return -1
}

func (m *memory) Majority(ctx context.Context, _ time.Duration) (context.Context, context.CancelFunc, error) {
	linked, cancel := context.WithCancel(ctx)
	return linked, cancel, nil
}

func (m *memory) NewPipeline(cfg store.PipelineConfig) (kafka.Pipeline, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open++
	return &memoryPipeline{store: m, cfg: cfg, abandoned: make(chan struct{})}, nil
}

type memoryPipeline struct {
	store     *memory
	cfg       store.PipelineConfig
	once      sync.Once
	abandoned chan struct{}
}

func (p *memoryPipeline) Put(ctx context.Context, e event.Event, mark int64) error {
	for {
		p.store.mu.Lock()
		changed := p.store.changed
		select {
		case <-p.abandoned:
			p.store.late++
			p.store.mu.Unlock()
			return store.ErrAbandoned
		default:
		}
		if !p.store.away {
			break
		}
		p.store.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-p.abandoned:
			return store.ErrAbandoned
		}
	}
	defer p.store.mu.Unlock()
	if p.store.refuse != nil {
		if err := p.store.refuse(e); err != nil {
			p.cfg.Refused(e, mark, err)
			p.cfg.Stored(mark, p.store.placeLocked())
			return nil
		}
	}
	p.store.events = append(p.store.events, e)
	p.store.ids[copyOf{e.Subject, e.ID}] = true
	if mark >= 0 {
		p.cfg.Stored(mark, p.store.placeLocked())
	}
	return nil
}

func (p *memoryPipeline) Mark(_ context.Context, mark int64) error {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	p.cfg.Stored(mark, p.store.placeLocked())
	return nil
}

func (p *memoryPipeline) Flush(context.Context) error { return nil }
func (p *memoryPipeline) Abandon()                    { p.once.Do(func() { close(p.abandoned) }) }

func (p *memoryPipeline) Close() error {
	p.Abandon()
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	p.store.open--
	return nil
}

// A minority is the store as a node sees it that is cut off when cut ends.
type minority struct {
	*memory
	cut context.Context
}

func (m minority) Majority(ctx context.Context, _ time.Duration) (context.Context, context.CancelFunc, error) {
	if m.cut.Err() != nil {
		<-ctx.Done()
		return nil, nil, ctx.Err()
	}
	linked, cancel := context.WithCancel(ctx)
	context.AfterFunc(m.cut, cancel)
	return linked, cancel, nil
}

var errNever = errors.New("never")
