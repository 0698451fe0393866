package access

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"weft/test/client"
	"weft/test/stage"
)

// An event was published; must and may are the connections that it is for.
type event struct {
	subject   string
	typ       string
	stored    bool // or will be
	must, may map[*conn]bool
}

// A world is a cluster, its clients, and what the model knows of them. Its loop makes one
// step after the other; readers of connections tell it what they receive.
type world struct {
	t     *testing.T
	rnd   *rand.Rand
	nodes []*stage.Node
	nats  []*nats.Conn
	base  time.Time // when the first token was issued
	log   []string  // the last steps
	steps int
	did   map[string]int

	people  []*person
	met     int
	revoked blacklist
	conns   []*conn

	mu       sync.Mutex
	events   map[int]*event
	next     int
	pending  map[*conn]int // events that must still come
	sent     int
	received int
	forgot   bool // not all events are known any more
	wrong    []string
	changed  chan struct{}
}

var users = []string{"ann", "bob@x.org", "c.d", "*", ">", "e=v", "日本"}

// topics is where events are published, beside the users' inboxes.
var topics = []string{
	"topic.room.r1.a", "topic.room.r1.b", "topic.room.r2.a", "topic.room.=2A.a", "topic.room.r1.a.deep",
	"topic.grp.g1.x", "topic.grp.g1.x.y", "topic.grp.g2.x", "topic.grp.g1", "topic.open.n1", "topic.open.n2", "topic.open.n1.deep",
	"topic.team.t1", "topic.team.t2", "topic.news", "topic.lounge.b1", "topic.lounge.b2", "topic.lost.x", "topic.other",
	"topic.asked.a", "topic.asked.b", "topic.asked.c", "topic.asked.d.e",
}

// types are those of events.
var types = []string{"model.event", "model.seen", "model"}

// filters are those of connections: what of the types they want. None is all.
var filters = [][]string{nil, nil, nil, nil, {"model.event"}, {"model.*"}, {"model"}, {"model", "model.seen", "other.*"}}

// wishes is what clients ask for, beside all of that.
var wishes = []string{
	"user.*", "topic.>", "topic.asked.*", "topic.asked.>", "presence.topic.asked.a", "presence.topic.asked.b", "topic.room.r1.*", "topic.room.*.a", "topic.room.r1.>", "topic.room.>", "topic.grp.g1.>", "topic.grp.g1.*",
	"topic.grp.>", "topic.grp.*.x", "topic.open.*", "topic.open.>", "topic.room.*.*", "topic.lounge.*",
	"presence.ann", "presence.bob=40x=2Eorg", "presence.topic.room.r1.a", "presence.topic.open.n1", "presence.*", "presence.topic.>",
	"user.a@b", "topic.", "user.>", "tick.n1", "out.user.ann", "topic.room..a", "$KV.blacklist.x", "topic.>.a", "*.ann", ">",
}

func (w *world) failf(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("%s\nthe last steps:\n  %s", fmt.Sprintf(format, args...), strings.Join(w.log, "\n  "))
}

// step notes what is about to be done.
func (w *world) step(kind, format string, args ...any) {
	w.steps++
	w.did[kind]++
	w.log = append(w.log, fmt.Sprintf("%d %s: ", w.steps, kind)+fmt.Sprintf(format, args...))
	w.log = w.log[max(0, len(w.log)-25):]
}

func pick[E any](w *world, list []E) E { return list[w.rnd.IntN(len(list))] }

func (w *world) chance(percent int) bool { return w.rnd.IntN(100) < percent }

func (w *world) node() *stage.Node { return pick(w, w.nodes) }

// some are up to n of a list, each once.
func some(w *world, n int, list ...string) []string {
	var out []string
	for range w.rnd.IntN(n + 1) {
		if s := pick(w, list); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// meet makes a person with a new token, good for life.
func (w *world) meet(user string, life time.Duration) *person {
	w.met++ // no two tokens are of the same second
	issued := w.base.Add(time.Duration(w.met) * time.Second)
	claims := stage.Claims{"sub": user, "iat": issued.Unix(), "exp": time.Now().Add(life).Unix()}
	if w.chance(85) {
		claims["inbox"] = user
	}
	if w.chance(60) {
		claims["jti"] = fmt.Sprintf("s%d", w.met)
	} else {
		claims["nonce"] = w.met
	}
	for name, list := range map[string][]string{
		"teams": {"t1", "t2"}, "rooms": {"r1", "r2", "*", ""}, "friends": users, "groups": {"g1", "g2", ">"},
	} {
		if found := some(w, 3, list...); len(found) > 0 {
			claims[name] = found
		}
	}
	for name, list := range map[string][]string{"role": {"support", "guest", "Support"}, "tier": {"gold", "tin"}, "branch": {"b1", "b2"}} {
		if w.chance(30) {
			claims[name] = pick(w, list)
		}
	}
	p := &person{user: user, claims: claims, issued: issued, token: stage.Token(w.t, user, claims)}
	if id, ok := claims["jti"].(string); ok {
		p.session = id
	} else {
		sum := sha256.Sum256([]byte(p.token))
		p.session = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return rules.grant(p)
}

// stranger has no token.
func stranger() *person { return rules.grant(&person{}) }

// someone is a person of whom the gateway may have heard.
func (w *world) someone() *person {
	if w.chance(8) {
		return stranger()
	}
	if len(w.people) < 30 || w.chance(20) {
		p := w.meet(pick(w, users), time.Hour)
		w.people = append(w.people, p)
		w.people = w.people[max(0, len(w.people)-60):]
		return p
	}
	return pick(w, w.people)
}

// another is the same user with another token, most of the time.
func (w *world) another(p *person) *person {
	if p.token == "" || w.chance(7) {
		return w.someone()
	}
	q := w.meet(p.user, time.Hour)
	w.people = append(w.people, q)
	return q
}

// wish is what a client may ask for: mostly what it is granted, and what not.
func (w *world) wish(p *person) []string {
	var out []string
	for range w.rnd.IntN(4) {
		var s string
		switch n := w.rnd.IntN(100); {
		case n < 45 && len(p.allowed) > 0:
			s = pick(w, p.allowed)
		case n < 55 && len(p.allowed) > 0:
			s = w.beside(pick(w, p.allowed))
		case n < 60:
			s = pick(w, wishes)
		case n < 70 && len(p.brings) > 0: // the next token may only allow it
			s = pick(w, p.brings)
		case n < 75:
			s = "user." + escape(pick(w, users))
		default:
			s = pick(w, topics)
		}
		if slices.Contains(out, s) || !p.may(s) && w.chance(60) {
			continue
		}
		out = append(out, s)
	}
	return out
}

// beside is something near to a grant: a little more than it, or a little less.
func (w *world) beside(grant string) string {
	tokens := strings.Split(grant, ".")
	i := 1 + w.rnd.IntN(len(tokens)-1)
	switch w.rnd.IntN(4) {
	case 0:
		return strings.Join(append(tokens[:i:i], ">"), ".")
	case 1:
		tokens[i] = "*"
	case 2:
		tokens = append(tokens, pick(w, []string{"a", "x", "*", ">"}))
	default:
		tokens[i] = pick(w, []string{"a", "x", "r1", "g1", "ann"})
	}
	return strings.Join(tokens, ".")
}

// subjectOf is where an event goes.
func (w *world) subjectOf() string {
	if w.chance(30) {
		return "user." + escape(pick(w, users))
	}
	return pick(w, topics)
}

// event makes one, of any type.
func (w *world) event(stored bool, subject string) *event {
	return &event{subject: subject, typ: pick(w, types), stored: stored, must: map[*conn]bool{}, may: map[*conn]bool{}}
}

// batch makes events for subjects that are open to those whom the model names. changing,
// with what it is to follow, is what may follow the one or the other meanwhile.
func (w *world) batch(n int, changing *conn, after []string) (ids []int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for range n {
		e := w.event(true, w.subjectOf())
		w.next++
		w.sent++
		for _, c := range w.conns {
			before := c.joined && c.takes(c.follows(), e)
			then := before
			if c == changing {
				then = c.takes(after, e)
			}
			switch {
			case before && then:
				e.must[c] = true
				w.pending[c]++
			case before || then:
				e.may[c] = true
			}
		}
		w.events[w.next] = e
		ids = append(ids, w.next)
	}
	return ids
}

// publish publishes events at a node, in one request.
func (w *world) publish(n *stage.Node, ids []int) error {
	var docs []map[string]any
	w.mu.Lock()
	for _, id := range ids {
		doc := map[string]any{"specversion": "1.0", "id": fmt.Sprint(id), "source": "/model", "type": w.events[id].typ, "data": map[string]any{"n": id}}
		if topic, ok := strings.CutPrefix(w.events[id].subject, "topic."); ok {
			doc["topic"] = topic
		} else {
			doc["user"] = users[slices.IndexFunc(users, func(u string) bool { return "user."+escape(u) == w.events[id].subject })]
		}
		docs = append(docs, doc)
	}
	w.mu.Unlock()
	body, err := json.Marshal(docs)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(time.Minute); ; {
		status, answer, err := exchange(http.MethodPost, n.AdminURL()+"/_weft/v1/events", "", "application/cloudevents-batch+json", body)
		if err == nil && status == http.StatusAccepted {
			return nil
		}
		if (err == nil && status != http.StatusServiceUnavailable) || time.Now().After(deadline) {
			return fmt.Errorf("publish: %d %s %v", status, answer, err)
		}
	}
}

// during makes a change of a connection while events are published. after is what it
// follows then; nil c is none that changes.
func (w *world) during(c *conn, after []string, change func()) {
	if c != nil {
		c.expect(after)
	}
	if w.chance(50) {
		change()
		return
	}
	ids, n, done := w.batch(3+w.rnd.IntN(8), c, after), w.node(), make(chan error, 1)
	if c != nil {
		w.mu.Lock()
		c.joins = w.next
		w.mu.Unlock()
	}
	go func() { done <- w.publish(n, ids) }()
	change()
	if err := <-done; err != nil {
		w.failf("%v", err)
	}
}

// round publishes events and waits until all who must have them do.
func (w *world) round() {
	if err := w.publish(w.node(), w.batch(2+w.rnd.IntN(6), nil, nil)); err != nil {
		w.failf("%v", err)
	}
	w.settle()
}

// settle waits until everybody has what they must.
func (w *world) settle() {
	deadline := time.After(time.Minute)
	for {
		w.mu.Lock()
		wrong, changed := w.wrong, w.changed
		var waiting []string
		for _, c := range w.conns {
			if c.open && w.pending[c] > 0 {
				waiting = append(waiting, fmt.Sprintf("%v of %d events", c, w.pending[c]))
			}
			for _, s := range c.follows() {
				if c.open && c.kind != client.Poll && isPresence(s) && !c.told[s] {
					waiting = append(waiting, fmt.Sprintf("%v of the state of %s", c, s))
				}
			}
		}
		w.mu.Unlock()
		switch {
		case len(wrong) > 0:
			w.failf("%s", strings.Join(wrong, "\n"))
		case len(waiting) == 0:
			w.forget()
			return
		}
		select {
		case <-changed:
		case <-deadline:
			w.failf("these never got what they must: %s", strings.Join(waiting, ", "))
		}
	}
}

// forget drops old events: one that comes so late was for nobody.
func (w *world) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	away := slices.ContainsFunc(w.conns, func(c *conn) bool { return !c.open })
	if len(w.events) < 5000 || away {
		return
	}
	for id := range w.events {
		if id < w.next-2000 {
			delete(w.events, id)
			w.forgot = true
		}
	}
}

// complain notes what no connection may see.
func (w *world) complain(format string, args ...any) {
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
	w.signal()
}

// signal is called with mu held.
func (w *world) signal() {
	close(w.changed)
	w.changed = make(chan struct{})
}
