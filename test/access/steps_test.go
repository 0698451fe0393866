package access

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"weft/config/testkit/standstill"
	"weft/test/client"
)

// maxConns is how many connections there are at once.
const maxConns = 14

// anyOpen is an open connection of one of these kinds, nil when there is none.
func (w *world) anyOpen(kinds ...client.Transport) *conn {
	var open []*conn
	for _, c := range w.conns {
		if c.open && slices.Contains(kinds, c.kind) {
			open = append(open, c)
		}
	}
	if len(open) == 0 {
		return nil
	}
	return pick(w, open)
}

// drop forgets a connection that is over.
func (w *world) drop(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = slices.DeleteFunc(w.conns, func(o *conn) bool { return o == c })
	delete(w.pending, c)
}

// connect opens a connection, or is refused.
func (w *world) connect() {
	if len(w.conns) >= maxConns {
		w.drop0(pick(w, w.conns))
	}
	w.next++
	c := &conn{w: w, id: w.next, kind: pick(w, client.Transports), node: w.node(), who: w.someone(), types: pick(w, filters), seen: map[int]bool{}}
	c.become(c.who, w.wish(c.who))
	allowed := c.who.mayAll(c.asked) && len(c.follows()) > 0 && !w.revoked.cuts(c.who)
	w.step("connect", "%v at %s, allowed: %v", c, c.node.URL(), allowed)
	var after []string
	if allowed {
		after = c.follows()
	}
	w.mu.Lock()
	c.past = !w.forgot && w.chance(25)
	if c.kind == client.Poll || c.past { // the first id of a poll is that of the newest tick
		c.since = w.next
	}
	for _, e := range w.events {
		if c.past && allowed && e.stored && c.takes(after, e) {
			e.must[c] = true
			w.pending[c]++
		}
	}
	if c.past {
		w.did["past"]++
	}
	w.conns = append(w.conns, c)
	w.mu.Unlock()
	var refused error
	w.during(c, after, func() { refused = w.dial(c, "") })
	w.enter(c, allowed, refused)
}

// enter compares how a connect ended with what was to be.
func (w *world) enter(c *conn, allowed bool, refused error) {
	switch {
	case allowed && refused != nil:
		w.failf("%v was refused: %v", c, refused)
	case !allowed && refused == nil:
		w.failf("%v was let in", c)
	case !allowed:
		w.drop(c)
		return
	}
	w.mu.Lock()
	c.joined, c.open = true, true
	w.mu.Unlock()
}

// drop0 is a client that leaves for good.
func (w *world) drop0(c *conn) {
	w.step("leave", "%v", c)
	if c.open {
		c.hangUp()
	}
	w.drop(c)
}

// comeBack hangs up, lets events pass, and resumes, perhaps with another token.
func (w *world) comeBack() {
	c := w.anyOpen(client.Transports...)
	if c == nil {
		return
	}
	w.step("away", "%v", c)
	c.hangUp()
	w.mu.Lock()
	c.open = false
	w.mu.Unlock()
	for range w.rnd.IntN(3) {
		w.round()
	}
	who, asked := c.who, c.asked
	if w.chance(40) {
		who = w.another(c.who)
	}
	if w.chance(30) && c.kind != client.Poll {
		asked = w.wish(who)
	}
	after := who.follows(asked)
	allowed := who.mayAll(asked) && len(after) > 0 && !w.revoked.cuts(who)
	w.step("resume", "%v as %v asks %v, allowed: %v", c, who, asked, allowed)
	w.mu.Lock()
	c.since = w.next
	for id, e := range w.events {
		if e.must[c] && !c.seen[id] && !coveredBy(after, e.subject) {
			delete(e.must, c)
			w.pending[c]--
		}
	}
	last := c.lastID
	w.mu.Unlock()
	if !allowed {
		after = nil
	}
	c.node = w.node()
	var refused error
	// What the connection follows is another thing from now on; whoever it was before.
	w.mu.Lock()
	c.become(who, asked)
	w.mu.Unlock()
	w.during(c, after, func() { refused = w.dial(c, last) })
	if c.kind == client.Poll && !allowed && refused == nil { // it is refused by the answer
		select {
		case <-c.done:
			refused = c.failure
		case <-time.After(time.Minute):
		}
	}
	w.enter(c, allowed, refused)
}

// change subscribes, unsubscribes, sets or refreshes, or several at once.
func (w *world) change() {
	c := w.anyOpen(client.WebSocket, client.SSE)
	if c == nil || c.kind == client.SSE && c.who.token == "" || len(c.asked) > 8 {
		return
	}
	who, asked, body, ok := c.who, slices.Clone(c.asked), map[string]any{}, true
	if w.chance(35) {
		who = w.another(c.who)
		if who.token == "" {
			return
		}
		body["token"] = who.token
		ok = who.user == c.who.user && c.who.token != "" && !w.revoked.cuts(who)
		asked = slices.DeleteFunc(asked, func(s string) bool { return !who.may(s) })
	}
	switch n := w.rnd.IntN(10); {
	case n < 5:
		more := w.wish(who)
		if len(more) == 0 {
			break
		}
		body["subscribe"] = more
		ok = ok && who.mayAll(more)
		for _, s := range more {
			if !slices.Contains(asked, s) {
				asked = append(asked, s)
			}
		}
	case n < 7 && len(c.asked) > 0:
		fewer := some(w, len(c.asked), c.asked...)
		if len(fewer) == 0 {
			break
		}
		body["unsubscribe"] = fewer // what a token brings may not be left
		ok = ok && !slices.ContainsFunc(fewer, func(s string) bool { return slices.Contains(who.brings, s) })
		asked = slices.DeleteFunc(asked, func(s string) bool { return slices.Contains(fewer, s) })
	case n < 9:
		asked = w.wish(who)
		body["set"] = append([]string{}, asked...)
		ok = ok && who.mayAll(asked)
	}
	if len(body) == 0 {
		return
	}
	after := who.follows(asked)
	bearer := who
	nothing := ok && len(after) == 0 && body["token"] != nil && c.losing(who)
	if !ok {
		who, asked, after = c.who, c.asked, c.follows()
	}
	shown := maps.Clone(body)
	if shown["token"] != nil {
		shown["token"] = bearer
	}
	w.step("change", "%v by %v, allowed: %v, then %v", c, shown, ok, after)
	var subjects []string
	var code string
	w.during(c, after, func() {
		if c.kind == client.WebSocket {
			subjects, code = c.command(body)
		} else {
			subjects, code = c.patch(body)
		}
	})
	switch {
	case nothing:
		w.endsAs(c, "unauthorised", code)
		return
	case ok != (code == ""):
		w.failf("%v: the answer is %q", c, code)
	case ok && !slices.Equal(slices.Sorted(slices.Values(subjects)), slices.Sorted(slices.Values(after))):
		w.failf("%v: the answer names %v, and it should follow %v", c, subjects, after)
	}
	w.mu.Lock()
	c.become(who, asked)
	w.mu.Unlock()
}

// losing reports whether a new token takes something that is followed.
func (c *conn) losing(who *person) bool {
	return slices.ContainsFunc(c.follows(), func(s string) bool { return !slices.Contains(who.brings, s) && !who.may(s) }) ||
		slices.ContainsFunc(c.who.brings, func(s string) bool { return !slices.Contains(who.brings, s) })
}

// endsAs waits for the end of a connection for a reason.
func (w *world) endsAs(c *conn, reason, code string) {
	select {
	case <-c.done:
	case <-time.After(time.Minute):
		w.failf("%v is still open (%s)", c, code)
	}
	w.mu.Lock()
	got, failure := c.reason, c.failure
	w.mu.Unlock()
	if c.kind == client.Poll {
		got = strings.TrimPrefix(codeOf(failure), "token_")
	}
	if got != reason {
		w.failf("%v ended as %q (%v), want %q", c, got, failure, reason)
	}
	c.hangUp()
	w.drop(c)
}

// revoke puts an entry into the blacklist, of a session or of a user.
func (w *world) revoke() {
	p := w.someone()
	if c := w.anyOpen(client.Transports...); c != nil && w.chance(80) {
		p = c.who
	}
	if p.token == "" {
		return
	}
	key, name, value := escape(p.session), p.session, "revoked"
	if w.chance(35) {
		key, name, value = "user."+escape(p.user), "user."+p.user, p.issued.UTC().Format(time.RFC3339)
		if until, ok := w.revoked.users[p.user]; ok && until.After(p.issued) {
			return // an entry is as its newest value says
		}
		w.revoked.users[p.user] = p.issued
	} else {
		w.revoked.sessions[p.session] = true
	}
	w.step("revoke", "%s %s", key, value)
	still := standstill.Begin(w.t)
	var cut []*conn
	for _, c := range w.conns {
		if c.open && w.revoked.cuts(c.who) {
			cut = append(cut, c)
		}
	}
	if _, err := pick(w, w.nats).Request("$KV.blacklist."+key, []byte(value), 20*time.Second); err != nil {
		w.failf("put %s: %v", key, err)
	}
	put := time.Now()
	for _, c := range cut {
		w.endsAs(c, "revoked", "")
		if took := c.ended.Sub(put); took > time.Second+still.Lost() {
			w.failf("%v was cut %v after the entry was stored, want less than 1s", c, took)
		}
	}
	for _, n := range w.nodes { // who connects then is refused at once
		deadline := time.Now().Add(time.Minute)
		for {
			status, _, err := exchange(http.MethodGet, n.AdminURL()+"/_weft/v1/blacklist/"+url.PathEscape(name), "", "", nil)
			if err == nil && status == http.StatusOK {
				break
			}
			if time.Now().After(deadline) {
				w.failf("%s never heard of %s: %d %v", n.URL(), key, status, err)
			}
		}
	}
	w.people = slices.DeleteFunc(w.people, func(p *person) bool { return w.revoked.cuts(p) && !w.chance(30) })
}

// speak publishes as a client does, by a request or a WebSocket.
func (w *world) speak() {
	p, c := w.someone(), (*conn)(nil)
	if w.chance(50) {
		if c = w.anyOpen(client.WebSocket); c != nil {
			p = c.who
		}
	}
	s := w.subjectOf()
	if len(p.publishes) > 0 && w.chance(60) {
		if s = pick(w, p.publishes); isWild(s) {
			s = strings.TrimSuffix(s, "*") + "a"
		}
	}
	w.say(p, c, s)
}

// say publishes for somebody, over a WebSocket if there is one.
func (w *world) say(p *person, c *conn, s string) {
	allowed := p.token != "" && (coveredBy(p.publishes, s) || p.says("publish", s)) && !w.revoked.cuts(p)
	w.step("speak", "%v to %s, allowed: %v", p, s, allowed)
	w.mu.Lock()
	w.next++
	id, e := w.next, w.event(allowed, s)
	for _, o := range w.conns {
		if allowed && o.takes(o.follows(), e) {
			e.must[o] = true
			w.pending[o]++
		}
	}
	w.events[id] = e
	w.mu.Unlock()
	data := fmt.Sprintf(`{"n":%d}`, id)
	taken, code := false, ""
	if c != nil {
		_, code = c.command(map[string]any{"publish": map[string]any{"subject": s, "type": e.typ, "data": json.RawMessage(data)}})
		taken = code == ""
	} else {
		status, answer, err := exchange(http.MethodPost, w.node().URL()+"/_weft/v1/events?type="+e.typ+"&subject="+url.QueryEscape(s), p.token, "application/octet-stream", []byte(data))
		if err != nil {
			w.failf("publish: %v", err)
		}
		taken, code = status == http.StatusAccepted, fmt.Sprint(status, " ", string(answer))
	}
	if taken != allowed {
		w.failf("%v publishes to %s: %s", p, s, code)
	}
	w.settle()
}

// fade opens a connection with a token that ends soon.
func (w *world) fade() {
	w.next++
	c := &conn{w: w, id: w.next, kind: pick(w, client.Transports), node: w.node(), seen: map[int]bool{}}
	c.who = w.meet(pick(w, users), 2*time.Second)
	if len(c.follows()) == 0 || w.revoked.cuts(c.who) {
		return
	}
	w.step("fade", "%v", c)
	w.mu.Lock()
	w.conns = append(w.conns, c)
	w.mu.Unlock()
	c.expect(c.follows())
	w.enter(c, true, w.dial(c, ""))
	w.endsAs(c, "expired", "")
	if again := w.dial(c, ""); again == nil {
		w.failf("%v was let in after its end", c)
	}
}
