package presence

import (
	"container/heap"
	"sync"
	"time"

	"weft/jetstream/subject"
)

// watchers are those of a node, one for each subject whose presence is followed on it.
type watchers struct {
	p       *Params
	metrics *metrics
	zero    time.Time
	wake    chan struct{} // something is due earlier
	asking  chan struct{} // there is something to ask
	// knocking is for nodes that are lost.
	knocking chan struct{}
	known    sync.Map // the subjects, for those who do not wait

	mu    sync.Mutex
	by    map[string]*watcher
	due   queue
	asks  []*watcher // in the order in which they ask
	drops []func()   // subscriptions to be ended
	links links

	looking sync.Mutex // while the links are looked at
}

func newWatchers(p *Params, m *metrics) *watchers {
	return &watchers{p: p, metrics: m, zero: time.Now(), wake: make(chan struct{}, 1), asking: make(chan struct{}, 1), knocking: make(chan struct{}, 1),
		by: map[string]*watcher{}, links: newLinks(p.Node)}
}

// has reports whether a subject is watched.
func (ws *watchers) has(s string) bool {
	_, ok := ws.known.Load(s)
	return ok
}

// follow adds a follower, until stop is called.
func (ws *watchers) follow(s string, f *follower) (stop func()) {
	ws.mu.Lock()
	w := ws.by[s]
	if w == nil {
		w = &watcher{subject: s, face: face{zero: ws.zero}, place: -1}
		ws.by[s] = w
		ws.known.Store(s, nil)
		ws.metrics.watchers.Inc()
		ws.askLocked(w)
	}
	w.follows++
	if f.devices {
		if w.devices++; w.devices == 1 {
			ws.askLocked(w)
		}
	}
	ws.mu.Unlock()
	w.tell.add(f)
	ws.touch(w, time.Now())
	return func() {
		if w.tell.remove(f) {
			ws.unfollow(w, f.devices)
		}
	}
}

func (ws *watchers) unfollow(w *watcher, devices bool) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if devices {
		if w.devices--; w.devices == 0 {
			w.unlist()
		}
	}
	if w.follows--; w.follows == 0 {
		w.idle = time.Now()
		ws.touchLocked(w, w.idle.Add(linger))
	}
}

// forgetLocked ends a watcher that nobody follows.
func (ws *watchers) forgetLocked(w *watcher) {
	w.gone = true
	delete(ws.by, w.subject)
	ws.known.Delete(w.subject)
	ws.metrics.watchers.Dec()
	if w.drop != nil {
		ws.drops = append(ws.drops, w.drop)
		nudge(ws.asking)
	}
}

// heard takes in a hint of another node.
func (ws *watchers) heard(s string, data []byte) {
	s, followed := subject.Followed(s)
	h, ok := readHint(data)
	if !followed || !ok {
		return
	}
	ws.metrics.received.Inc()
	ws.take(s, h)
}

// take takes in a hint. When the process that it comes from is not the one that last
// answered, it may have ended, and the peer is asked.
func (ws *watchers) take(s string, h hint) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	w, p := ws.by[s], ws.links.peers[h.Node]
	if w == nil || p == nil { // when p is linked, all is asked for
		return
	}
	if h.Run != p.run {
		ws.askLocked(w)
		return
	}
	now := time.Now()
	if !w.take(p, h.Seq, max(h.Peak, h.Connections)) {
		return
	}
	if h.Peak > h.Connections {
		c, _ := w.count(&ws.links)
		w.face.saw(now, c)
		w.of(p).connections = h.Connections
	}
	w.list.stale = w.devices > 0
	ws.sawLocked(w, now)
}

// sawLocked lets followers see what is true now, in its time.
func (ws *watchers) sawLocked(w *watcher, now time.Time) {
	c, _ := w.count(&ws.links)
	w.face.saw(now, c)
	ws.touchLocked(w, now)
}

// tellDue tells followers what is due, and returns when more is; zero: nothing.
func (ws *watchers) tellDue(now time.Time) (next time.Time) {
	for {
		w, n, next := ws.nextDue(now)
		if w == nil {
			return next
		}
		if again := w.tell.tell(n, now); !again.IsZero() {
			ws.mu.Lock()
			w.lagging = true
			ws.touchLocked(w, again)
			ws.mu.Unlock()
		}
	}
}

// nextDue takes the next watcher whose followers are to be told from the queue.
func (ws *watchers) nextDue(now time.Time) (w *watcher, n notice, next time.Time) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for len(ws.due) > 0 {
		w = ws.due[0]
		if now.Before(w.due) {
			return nil, notice{}, ws.nextLook(w.due)
		}
		heap.Pop(&ws.due)
		if n, ok := ws.lookLocked(w, now); ok {
			return w, n, time.Time{}
		}
	}
	return nil, notice{}, ws.nextLook(time.Time{})
}

// lookLocked says what followers are to be told, if they are.
func (ws *watchers) lookLocked(w *watcher, now time.Time) (n notice, ok bool) {
	switch {
	case w.gone:
		return n, false
	case w.follows == 0:
		if end := w.idle.Add(linger); now.Before(end) {
			ws.touchLocked(w, end)
			break
		}
		ws.forgetLocked(w)
		return n, false
	}
	if !w.again.IsZero() {
		if now.Before(w.again) {
			ws.touchLocked(w, w.again)
		} else {
			w.again = time.Time{}
			ws.askLocked(w)
		}
	}
	if w.list.stale {
		if due := w.list.asked.Add(listEvery); now.Before(due) {
			ws.touchLocked(w, due)
		} else {
			ws.askLocked(w)
		}
	}
	if !w.face.begun {
		return n, false
	}
	n.all = w.lagging
	w.lagging = false
	changed, next := w.face.show(now)
	if w.list.known && (changed || w.face.now.connections == w.face.shown.connections) {
		switch due := w.face.at.Add(every); {
		case changed || !now.Before(due):
			if w.look() {
				w.face.at, changed = now, true
			}
		default:
			next = sooner(next, due)
		}
	}
	if !next.IsZero() {
		ws.touchLocked(w, next)
	}
	n.all = n.all || changed
	n.count, n.devices, n.version, n.listed = w.face.shown, w.list.shown, w.list.version, w.list.known
	return n, true
}
