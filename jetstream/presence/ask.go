package presence

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"weft/jetstream/rpc"
	"weft/jetstream/subject"
)

const (
	// methodCounts asks a node for its counts of many subjects.
	methodCounts = "counts"
	// countsInFlight bounds the answers that a node makes at once.
	countsInFlight = 16
	// askAtOnce and askBytes bound a question, listAtOnce of how many subjects it asks
	// for devices.
	askAtOnce  = 1000
	askBytes   = 256 << 10
	listAtOnce = 100
	// listBytes is how much of devices an answer has; what is missing is asked for again.
	listBytes = 512 << 10
	// flushTime bounds the wait for subscriptions to be in force.
	flushTime = time.Second
)

// askPause is how long to wait until a node is asked again that did not answer.
var askPause = []time.Duration{50 * time.Millisecond, 100 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second}

// A question asks for counts, and of some of the subjects for devices.
type question struct {
	Subjects []string `json:"subjects"`
	Devices  []string `json:"devices,omitempty"`
	// Where asks where the node listens for links, too, and what nodes it knows to have
	// ended.
	Where bool `json:"where,omitempty"`
}

// An answer has a count for each subject, in their order; of the devices those of the
// first subjects that there is room for, one at least. Run and Seq are as in a hint.
type answer struct {
	Run     string     `json:"run"`
	Seq     uint64     `json:"seq"`
	Counts  []int      `json:"counts"`
	Devices [][]Device `json:"devices,omitempty"`
	At      []string   `json:"at,omitempty"`
	// Ended are nodes with the addresses that refuse.
	Ended map[string]string `json:"ended,omitempty"`
}

// answer answers another node, or this one.
func (p *Presence) answer(_ context.Context, data []byte) []byte {
	var q question
	if json.Unmarshal(data, &q) != nil {
		return nil // no answer
	}
	// What changes from here on is said later, under a greater number.
	a := answer{Run: p.hints.run, Seq: p.hints.seq.Add(1), Counts: make([]int, len(q.Subjects))}
	for i, s := range q.Subjects {
		a.Counts[i] = p.connections(s)
	}
	if q.Where {
		a.tell(p.p.Listen, p.watchers)
	}
	out, err := json.Marshal(struct {
		answer
		Devices []json.RawMessage `json:"devices,omitempty"`
	}{a, p.listDevices(q.Devices)})
	if err != nil {
		return nil
	}
	return out
}

// listDevices are the devices of the first subjects that there is room for.
func (p *Presence) listDevices(subjects []string) (lists []json.RawMessage) {
	size := 0
	for _, s := range subjects {
		devices := p.devices(s)
		for i := range devices {
			devices[i].Node = p.p.Node
		}
		list, err := json.Marshal(devices)
		if size += len(list); err != nil || size > listBytes && len(lists) > 0 {
			return lists
		}
		lists = append(lists, list)
	}
	return lists
}

// askLocked lets a watcher ask all nodes, soon.
func (ws *watchers) askLocked(w *watcher) {
	if w.queued || w.gone {
		return
	}
	w.queued = true
	ws.asks = append(ws.asks, w)
	nudge(ws.asking)
}

func (ws *watchers) askAllLocked() {
	for _, w := range ws.by {
		ws.askLocked(w)
	}
}

// A round is a question of several watchers, and whom it is put to.
type round struct {
	watchers []*watcher
	question question
	listed   map[string]int // where a subject is among those whose devices are asked for
	peers    map[string]asked
	fresh    []*watcher // those that are not subscribed
}

// asked is a peer with its link at the time of the question.
type asked struct {
	peer  *peer
	epoch int
}

// nextRound takes what is asked together; nil when nothing is. drops are subscriptions to
// be ended.
func (ws *watchers) nextRound() (r *round, drops []func()) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	drops, ws.drops = ws.drops, nil
	r = &round{listed: map[string]int{}, peers: make(map[string]asked, len(ws.links.peers))}
	for size := 0; len(ws.asks) > 0; {
		w := ws.asks[0]
		if size += len(w.subject) + len(`"",`); len(r.watchers) == askAtOnce || size > askBytes || len(r.question.Devices) == listAtOnce {
			break
		}
		ws.asks[0], ws.asks = nil, ws.asks[1:]
		if w.queued = false; w.gone {
			continue
		}
		r.watchers = append(r.watchers, w)
		r.question.Subjects = append(r.question.Subjects, w.subject)
		if w.drop == nil {
			r.fresh = append(r.fresh, w)
		}
		if w.devices > 0 {
			w.list.asked, w.list.stale = time.Now(), false
			r.listed[w.subject] = len(r.question.Devices)
			r.question.Devices = append(r.question.Devices, w.subject)
		}
	}
	r.question.Where = len(ws.links.peers) < ws.links.members
	for name, p := range ws.links.peers {
		r.peers[name] = asked{p, p.epoch}
		r.question.Where = r.question.Where || name != ws.p.Node && p.placed != p.epoch
	}
	if len(r.watchers) == 0 {
		return nil, drops
	}
	return r, drops
}

// askLoop asks what is to be asked, until ctx ends.
func (p *Presence) askLoop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.watchers.asking:
		}
		p.watchers.lookAround(time.Now())
		for ctx.Err() == nil {
			r, drops := p.watchers.nextRound()
			for _, drop := range drops {
				drop()
			}
			if r == nil {
				break
			}
			p.ask(ctx, r)
		}
	}
}

// ask subscribes first, and asks then: what changes after a node has answered it says in a
// hint, since it has heard of the subscription before the question.
func (p *Presence) ask(ctx context.Context, r *round) {
	subscribed := true
	for _, w := range r.fresh {
		drop, err := p.bus.Subscribe(subject.PresenceOf(w.subject))
		if err != nil {
			subscribed = false
			break
		}
		p.watchers.subscribed(w, drop)
	}
	if len(r.fresh) > 0 && subscribed {
		try, cancel := context.WithTimeout(ctx, flushTime)
		subscribed = p.bus.Flush(try) == nil
		cancel()
	}
	data, err := json.Marshal(r.question)
	var said rpc.Replies
	switch {
	case err != nil: // of strings it does not fail
	case subscribed:
		said = p.p.RPC.CallAll(ctx, methodCounts, data)
	default: // what others say would not stay true
		said.List = []rpc.Reply{{Node: p.p.Node, Data: p.answer(ctx, data)}}
	}
	p.watchers.answered(r, said.List)
}

func (ws *watchers) subscribed(w *watcher, drop func()) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	w.drop = drop
	if w.gone {
		ws.drops = append(ws.drops, drop)
		nudge(ws.asking)
	}
}

// answered takes in what nodes have answered.
func (ws *watchers) answered(r *round, replies []rpc.Reply) {
	answers := make(map[string]answer, len(replies))
	for _, reply := range replies {
		var a answer
		if json.Unmarshal(reply.Data, &a) == nil && a.Run != "" && len(a.Counts) == len(r.watchers) &&
			!slices.ContainsFunc(a.Counts, func(n int) bool { return !plausible(n) }) {
			answers[reply.Node] = a
		}
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	now := time.Now()
	for name, a := range answers {
		p := ws.links.peers[name]
		if from := r.peers[name]; p == nil || from.peer != p || from.epoch != p.epoch {
			delete(answers, name) // the link is another one by now
			continue
		}
		if p.run != "" && p.run != a.Run {
			ws.askAllLocked()
		}
		p.run = a.Run
	}
	if r.question.Where && ws.links.place(answers, now) {
		nudge(ws.knocking)
	}
	for i, w := range r.watchers {
		if !w.gone {
			ws.answeredLocked(w, i, r, answers, now)
		}
	}
}

// answeredLocked takes in what nodes have answered to one watcher.
func (ws *watchers) answeredLocked(w *watcher, i int, r *round, answers map[string]answer, now time.Time) {
	list, listed := r.listed[w.subject]
	for name, p := range ws.links.peers {
		a, ok := answers[name]
		e := w.of(p)
		if !ok {
			e.silent = true
			continue
		}
		e.epoch, e.silent = p.epoch, false
		w.take(p, a.Seq, a.Counts[i])
		switch {
		case !listed || w.devices == 0:
		case list < len(a.Devices):
			e.devices = a.Devices[list]
		default:
			ws.askLocked(w)
		}
	}
	if listed && w.devices > 0 && !(w.list.known && w.face.begun) { // nothing is shown yet that would be held
		w.list.known = true
		w.look()
	}
	w.asked++
	c, unheard := w.count(&ws.links)
	if w.again = (time.Time{}); unheard {
		w.again = now.Add(askPause[min(w.asked, len(askPause))-1])
	} else {
		w.asked = 0
	}
	w.face.saw(now, c)
	if !w.face.begun && (!unheard || w.asked >= patience) {
		w.face.begin(now)
	}
	ws.touchLocked(w, now)
}
