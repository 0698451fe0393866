package feed_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"weft/jetstream/api"
	"weft/jetstream/event"
	"weft/jetstream/feed"
	"weft/jetstream/natsconn"
	"weft/jetstream/store"
)

// A world is a model of the stream of a cluster, kept in memory: what is stored, who leads,
// and what is on its way to the nodes. Replicas lag, questions stay unanswered, and when
// the leader changes or a connection breaks, copies are lost.
type world struct {
	limit  int           // of messages per subject
	ahead  time.Duration // of this node's clock is that of who leads
	leader *api.Leadership

	mu     sync.Mutex
	rnd    *rand.Rand
	id     event.StreamID
	log    []event.Stored      // by sequence, from 1
	times  []time.Time         // when they were stored
	bySub  map[string][]uint64 // all sequences of a subject, and
	nth    []int               // how many there were before, by sequence
	terms  int
	since  time.Time
	copies []*modelCopies
}

var errSilence = errors.New("nobody answers")

func newWorld(seed uint64, limit int) *world {
	return &world{limit: limit, leader: api.NewLeadership(), rnd: rand.New(rand.NewPCG(seed, 0)), id: event.StreamID{1},
		bySub: map[string][]uint64{}, since: time.Now(), ahead: time.Duration(seed%3) * 15 * time.Second}
}

// storeLocked stores a message, and sends its copies.
func (w *world) storeLocked(subject string, data []byte) uint64 {
	seq := uint64(len(w.log) + 1)
	before := w.bySub[subject]
	at := time.Now().Add(w.ahead + time.Duration(seq))
	s := event.Stored{Subject: subject, Seq: seq, Data: data, Header: nats.Header{
		"Nats-Time-Stamp": {at.UTC().Format(time.RFC3339Nano)}}}
	if n := len(before); n > 0 {
		s.Previous = before[n-1]
	}
	w.log, w.times, w.nth = append(w.log, s), append(w.times, at), append(w.nth, len(before))
	w.bySub[subject] = append(before, seq)
	for _, c := range w.copies {
		c.sendLocked(&event.Copy{Subject: []byte("out." + subject), Seq: seq, Previous: s.Previous, Stamp: s.Stamp(), Data: data})
	}
	return seq
}

// goneLocked reports whether the limit has removed a message by when the stream ended at
// a sequence. Ticks stay.
func (w *world) goneLocked(i, end int) bool {
	list := w.bySub[w.log[i].Subject]
	n, _ := slices.BinarySearch(list, uint64(end+1))
	return w.nth[i] < n-w.limit && !strings.HasPrefix(w.log[i].Subject, "tick.")
}

func (w *world) publish(subject string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.storeLocked(subject, strconv.AppendInt(nil, int64(n), 10))
}

// change makes another node lead. Of what is on its way, some is lost, and some comes twice.
func (w *world) change() {
	w.mu.Lock()
	w.terms++
	w.since = time.Now()
	for _, c := range w.copies {
		c.shakeLocked()
	}
	w.mu.Unlock()
	w.leader.Change()
}

// recreate makes the stream anew, without what was in it.
func (w *world) recreate() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.id[1]++
	w.log, w.times, w.nth, w.bySub = nil, nil, nil, map[string][]uint64{}
	for _, c := range w.copies {
		c.queue = nil
	}
}

// unansweredLocked decides whether a question stays unanswered.
func (w *world) unansweredLocked() error {
	if w.rnd.IntN(12) == 0 {
		return errSilence
	}
	return nil
}

func matches(pattern, subject string) bool { return pattern == ">" || pattern == subject }

// Read may be answered by a replica that lags, or has let more go than others.
func (w *world) Read(_ context.Context, subject string, from uint64, limit, _ int) (b store.Batch, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	end := len(w.log)
	if w.rnd.IntN(3) == 0 {
		end = max(0, end-w.rnd.IntN(6))
	}
	for i := max(int(from)-1, w.shortLocked(end)); i < end; i++ {
		if s := w.log[i]; matches(subject, s.Subject) && !w.goneLocked(i, end) {
			if len(b.Messages) == min(limit, 7) {
				b.Pending++
				continue
			}
			b.Messages = append(b.Messages, s)
		}
	}
	return b, w.unansweredLocked()
}

func (w *world) Next(_ context.Context, subject string, from uint64) (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := max(int(from), 1) - 1; i < len(w.log); i++ {
		if matches(subject, w.log[i].Subject) && !w.goneLocked(i, len(w.log)) {
			return uint64(i + 1), w.unansweredLocked()
		}
	}
	return 0, w.unansweredLocked()
}

func (w *world) Head(_ context.Context, subject string) (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if subject == ">" {
		return uint64(len(w.log)), w.unansweredLocked()
	}
	if list := w.bySub[subject]; len(list) > 0 {
		return list[len(list)-1], w.unansweredLocked()
	}
	return 0, w.unansweredLocked()
}

func (w *world) Before(_ context.Context, t time.Time) (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, _ := slices.BinarySearchFunc(w.times, t, time.Time.Compare)
	return uint64(n), w.unansweredLocked()
}

// older is how many events of a subject are older than a time, and oldest the number of the
// first one that is stored and is not.
func (w *world) older(subject string, t time.Time) (older, oldest int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.bySub[subject]
	older, _ = slices.BinarySearchFunc(list, t, func(seq uint64, t time.Time) int { return w.times[seq-1].Compare(t) })
	return older, max(older, len(list)-w.limit) + 1
}

func (w *world) Count(_ context.Context, subject string) (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return uint64(min(len(w.bySub[subject]), w.limit)), w.unansweredLocked()
}

func (w *world) State(context.Context) (store.State, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.unansweredLocked(); err != nil {
		return store.State{}, err
	}
	return store.State{Leader: fmt.Sprint("n", w.terms%3), LeaderSince: w.since, ID: w.id,
		First: 1, Last: uint64(len(w.log))}, nil
}

func (w *world) Barrier(context.Context) (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.storeLocked("tick.position", nil), w.unansweredLocked()
}

func (w *world) Consume(context.Context, js.ConsumerConfig) (store.Consumer, error) {
	return store.Consumer{}, errors.New("the model has no consumers")
}

func (w *world) Leader() *api.Leadership { return w.leader }

func (w *world) Limits() event.Limits {
	return event.Limits{MaxAge: time.Hour, MaxPerSubject: w.limit}
}

func (n *modelNode) Tick(_ string, payload []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.storeLocked("tick."+n.token, payload)
	return nil
}

// nobody asks who is present.
type nobody struct{}

func (nobody) Handle(func(string) bool) {}

func (nobody) Changed(string) {}

// params are those of a hub on a node of the world.
func (w *world) params(node *modelNode) feed.Params {
	return feed.Params{
		Store: node, Presence: nobody{}, Relinked: func() time.Time { return time.Time{} },
		Clustered: true, Token: node.token,
		OpenCopies: func(deliver func(*event.Copy), interrupted func(string)) (feed.Copies, error) {
			c := &modelCopies{world: w, deliver: deliver, interrupted: interrupted, subs: map[natsconn.Subscription]string{},
				more: make(chan struct{}, 1), closed: make(chan struct{}), done: make(chan struct{})}
			w.mu.Lock()
			w.copies = append(w.copies, c)
			w.mu.Unlock()
			go c.run()
			return c, nil
		},
	}
}

// modelCopies is a connection that copies come by, late. All but the functions is guarded by
// the world's lock.
type modelCopies struct {
	world       *world
	deliver     func(*event.Copy)
	interrupted func(why string)
	subs        map[natsconn.Subscription]string
	last        natsconn.Subscription
	queue       []*event.Copy
	down        bool
	more        chan struct{}
	closed      chan struct{}
	done        chan struct{} // when nothing more is delivered
}

func (c *modelCopies) sendLocked(m *event.Copy) {
	if c.down {
		return
	}
	for _, s := range c.subs {
		if s == string(m.Subject) {
			c.queue = append(c.queue, m)
			select {
			case c.more <- struct{}{}:
			default:
			}
			return
		}
	}
}

// shakeLocked loses some of what is on its way, and brings some twice, in order.
func (c *modelCopies) shakeLocked() {
	var queue []*event.Copy
	for _, m := range c.queue {
		if c.world.rnd.IntN(2) == 0 {
			queue = append(queue, m)
		}
	}
	if n := len(queue); n > 0 && c.world.rnd.IntN(2) == 0 {
		queue = append(queue, queue[c.world.rnd.IntN(n):]...)
	}
	c.queue = queue
}

// breakFor loses the connection for a while. The hub knows of it before another copy comes.
func (c *modelCopies) breakFor(d time.Duration) {
	set := func(down bool, why string) {
		c.world.mu.Lock()
		defer c.world.mu.Unlock()
		c.down, c.queue = down, nil
		c.interrupted(why)
	}
	set(true, "disconnected")
	time.Sleep(d)
	set(false, "reconnected")
}

// run delivers until the connection is closed.
func (c *modelCopies) run() {
	defer close(c.done)
	for {
		select {
		case <-c.closed:
			return
		default:
		}
		c.world.mu.Lock()
		var m *event.Copy
		if len(c.queue) > 0 {
			m, c.queue = c.queue[0], c.queue[1:]
		}
		late := time.Duration(0)
		if c.world.rnd.IntN(4) == 0 {
			late = time.Duration(c.world.rnd.IntN(20)) * time.Millisecond
		}
		c.world.mu.Unlock()
		if m != nil {
			c.deliver(m)
			time.Sleep(late)
			continue
		}
		select {
		case <-c.more:
		case <-c.closed:
			return
		}
	}
}

func (c *modelCopies) Subscribe(subject string) natsconn.Subscription {
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	c.last++
	c.subs[c.last] = subject
	return c.last
}

func (c *modelCopies) Unsubscribe(id natsconn.Subscription) {
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	delete(c.subs, id)
}

func (c *modelCopies) Flush(context.Context) error {
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	if c.down {
		return errSilence
	}
	return nil
}

func (c *modelCopies) Close() {
	close(c.closed)
	<-c.done
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	c.world.copies = slices.DeleteFunc(c.world.copies, func(o *modelCopies) bool { return o == c })
}
