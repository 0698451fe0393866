package conformance

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/test/client"
	"weft/test/stage"
)

// tokenOf grants a user an inbox, and what the claims do.
func tokenOf(t *testing.T, user string, claims stage.Claims) string {
	t.Helper()
	all := stage.Claims{"inbox": user}
	maps.Copy(all, claims)
	return stage.Token(t, user, all)
}

func hall(topic string) string { return "topic.hall." + topic }

// note publishes {"n":n} to a subject and returns the event's id.
func (p *place) note(t *testing.T, subject, typ, body string) string {
	t.Helper()
	q := url.Values{"subject": {subject}}
	if typ != "" {
		q.Set("type", typ)
	}
	return p.publish(t, q.Encode(), "application/json", body)[0]
}

func data(list []heard) string {
	var all []string
	for _, h := range list {
		f := h.json()
		if d, ok := f["data"]; ok {
			all = append(all, mustJSON(d))
		} else {
			all = append(all, h.data)
		}
	}
	return strings.Join(all, " ")
}

func oneEventID(t *testing.T, p *place, kind client.Transport) {
	ann := fresh("ann")
	token, a, b := tokenOf(t, ann, nil), hall(fresh("a")), hall(fresh("b"))
	one := p.visit(t, kind, token, "subject", a, "format", "frame")
	two := p.visitAt(changing, t, kind, token, "subject", a, "subject", b, "format", "frame")
	one.begun()
	two.begun()
	p.note(t, b, "", `0`) // their cursors differ then
	id := p.note(t, a, "", `1`)
	first, second := one.events(1)[0].json(), two.events(2)
	i := slices.IndexFunc(second, func(h heard) bool { return h.json()["subject"] == a })
	if i < 0 || first["event"] != id || second[i].json()["event"] != id {
		t.Errorf("the publisher was told %s; heard %v and %v", id, first, second)
	}
}

func sincePast(t *testing.T, p *place, kind client.Transport) {
	topic, token := hall(fresh("past")), tokenOf(t, fresh("ann"), nil)
	p.note(t, topic, "", `1`)
	p.note(t, topic, "", `2`)
	between := time.Now()
	p.note(t, topic, "", `3`)
	for since, want := range map[string]string{"1h": "1 2 3", "all": "1 2 3", between.UTC().Format(time.RFC3339Nano): "3"} {
		v := p.visit(t, kind, token, "subject", topic, "since", since)
		if kind != client.Poll {
			if _, about := v.open(); about["resume"] != "since" {
				t.Errorf("since=%s: %v", since, about)
			}
		}
		if got := data(v.events(len(strings.Fields(want)))); got != want {
			t.Errorf("since=%s brings %s, want %s", since, got, want)
		}
	}
}

func idBeforeSince(t *testing.T, p *place, kind client.Transport) {
	topic, token := hall(fresh("past")), tokenOf(t, fresh("ann"), nil)
	first := p.visit(t, kind, token, "subject", topic, "format", "frame")
	first.begun()
	p.note(t, topic, "", `1`)
	id, _ := first.events(1)[0].json()["id"].(string)
	p.note(t, topic, "", `2`)
	v := p.visit(t, kind, token, "subject", topic, "since", "all", "last_event_id", id)
	if got := data(v.events(1)); got != "2" {
		t.Errorf("heard %s", got)
	}
}

// present are the states of presence that a visitor was told of a subject, newest last.
func (v *visitor) present(member, of string) (list []frame) {
	for _, h := range v.heard() {
		f := h.json()
		var some []any
		switch {
		case h.typ() == "weft.presence" && f["type"] == nil:
			some = []any{map[string]any(f)}
		case h.typ() == "weft.presence":
			some = []any{f["data"]}
			if id := f["id"]; id != nil && f["specversion"] == nil {
				v.t.Errorf("presence has the id %v", id)
			}
		case h.name == "answer":
			some, _ = f["presence"].([]any)
		}
		for _, x := range some {
			if state, _ := x.(map[string]any); state[member] == of {
				list = append(list, state)
			}
		}
		if h.typ() == "weft.presence" && h.id != "" {
			v.t.Errorf("presence has the cursor %s", h.id)
		}
	}
	return list
}

// awaitPresent waits until the newest state says so many connections.
func (v *visitor) awaitPresent(member, of string, connections float64) {
	v.t.Helper()
	v.await(mustJSON([]any{of, connections}), func(heard) bool {
		all := v.present(member, of)
		if len(all) == 0 {
			return false
		}
		last := all[len(all)-1]
		return last["connections"] == connections && last["complete"] == nil && last["online"] == (connections > 0)
	})
}

func presenceOfTopic(t *testing.T, p *place, kind client.Transport) {
	topic := fresh("seen")
	v := p.visit(t, kind, tokenOf(t, fresh("ann"), nil), "subject", "presence."+hall(topic))
	v.awaitPresent("topic", "hall."+topic, 0)
	p.visitAt(publishing, t, client.SSE, tokenOf(t, fresh("bob"), nil), "subject", hall(topic)).begun()
	v.awaitPresent("topic", "hall."+topic, 1)
	p.visitAt(changing, t, client.WebSocket, tokenOf(t, fresh("cat"), nil), "subject", hall(topic)).begun()
	v.awaitPresent("topic", "hall."+topic, 2)
}

// Who comes back with an id is told the present state again, and what was missed once.
func presenceAfterResume(t *testing.T, p *place, kind client.Transport) {
	topic, token := fresh("back"), tokenOf(t, fresh("ann"), nil)
	follow := []string{"subject", hall(topic), "subject", "presence." + hall(topic), "format", "frame"}
	first := p.visit(t, kind, token, follow...)
	first.awaitPresent("topic", "hall."+topic, 1)
	p.note(t, hall(topic), "", `1`)
	id, _ := first.events(1)[0].json()["id"].(string)
	p.note(t, hall(topic), "", `2`)
	second := p.visitAt(changing, t, kind, token, append(follow, "last_event_id", id)...)
	second.awaitPresent("topic", "hall."+topic, 2)
	if got := data(second.events(1)); got != "2" {
		t.Errorf("heard %s", got)
	}
}

func presenceOfUser(t *testing.T, p *place, kind client.Transport) {
	bob := fresh("bob")
	v := p.visit(t, kind, tokenOf(t, fresh("ann"), stage.Claims{"friends": []string{bob}}), "subject", "presence."+bob)
	v.awaitPresent("user", bob, 0)
	p.visitAt(publishing, t, kind, tokenOf(t, bob, nil)).begun()
	v.awaitPresent("user", bob, 1)
}

func anybody(t *testing.T, p *place, kind client.Transport) {
	topic := fresh("lobby")
	v := p.visit(t, kind, "", "subject", "topic.lobby."+topic, "subject", "presence.topic.lobby."+topic)
	v.awaitPresent("topic", "lobby."+topic, 1)
	p.visitAt(changing, t, kind, "", "subject", "topic.lobby."+topic).begun()
	v.awaitPresent("topic", "lobby."+topic, 2)
	p.note(t, "topic.lobby."+topic, "", `1`)
	if got := data(v.events(1)); got != "1" {
		t.Errorf("heard %s", got)
	}
}

// alter changes a connection by what its transport has, and returns the subjects that the
// answer has in force.
func (v *visitor) alter(token string, change map[string]any) (subjects []string) {
	v.t.Helper()
	var answer frame
	if v.kind == client.WebSocket {
		v.begun()
		answer = v.say(fresh("ref"), change)
		if answer["ok"] != true {
			v.t.Fatalf("%v is answered %v", change, answer)
		}
	} else {
		var status int
		if status, answer = v.change(token, change); status != http.StatusOK {
			v.t.Fatalf("%v is answered %d %v", change, status, answer)
		}
	}
	list, _ := answer["subjects"].([]any)
	for _, s := range list {
		subjects = append(subjects, s.(string))
	}
	slices.Sort(subjects)
	return subjects
}

func sorted(list ...string) []string {
	slices.Sort(list)
	return list
}

func unsubscribed(t *testing.T, p *place, kind client.Transport) {
	ann, a, b, x, y := fresh("ann"), fresh("a"), fresh("b"), fresh("x"), fresh("y")
	before := tokenOf(t, ann, stage.Claims{"rooms": []string{a, b}, "also": x})
	after := tokenOf(t, ann, stage.Claims{"rooms": []string{b}, "also": y})
	v := p.visit(t, kind, before, "subject", "topic.room."+a, "subject", "topic.room."+b)
	v.begun()
	want := sorted("user."+ann, "topic.room."+b, "topic.of."+y)
	if got := v.alter(after, map[string]any{"token": after}); !slices.Equal(got, want) {
		t.Errorf("the answer lists %v, want %v", got, want)
	}
	var gone []string
	v.await("all that is gone", func(heard) bool {
		gone = nil
		for _, h := range v.heard() {
			if h.typ() != "weft.unsubscribed" {
				continue
			}
			f := h.json()
			if inner, ok := f["data"].(map[string]any); ok {
				f = inner
			}
			if f["reason"] != "unauthorised" {
				t.Errorf("the reason is %v", f["reason"])
			}
			for _, s := range f["subjects"].([]any) {
				gone = append(gone, s.(string))
			}
		}
		return len(gone) >= 2
	})
	if slices.Sort(gone); !slices.Equal(gone, sorted("topic.of."+x, "topic.room."+a)) {
		t.Errorf("gone: %v", gone)
	}
	p.note(t, "topic.room."+a, "", `"a"`)
	p.note(t, "topic.of."+x, "", `"x"`)
	p.note(t, "topic.room."+b, "", `"b"`)
	p.note(t, "topic.of."+y, "", `"y"`)
	if got := strings.Fields(data(v.events(2))); !slices.Equal(sorted(got...), []string{`"b"`, `"y"`}) {
		t.Errorf("heard %s", got)
	}
}

func refusedLater(t *testing.T, p *place, _ client.Transport) {
	ann, a := fresh("ann"), fresh("a")
	address := p.url(following, events+"?wait=0s&subject=topic.room."+a)
	for rooms, want := range map[string]int{a: http.StatusOK, "another": http.StatusForbidden} {
		token := tokenOf(t, ann, stage.Claims{"rooms": []string{rooms}})
		if status, text := p.call(t, http.MethodGet, address, token, "", nil); status != want {
			t.Errorf("rooms %s: %d %s", rooms, status, text)
		}
	}
}

func nothingLeft(t *testing.T, p *place, kind client.Transport) {
	ann, a := fresh("ann"), fresh("a")
	before := stage.Token(t, ann, stage.Claims{"rooms": []string{a}})
	after := stage.Token(t, ann, nil)
	v := p.visit(t, kind, before, "subject", "topic.room."+a)
	v.begun()
	if kind == client.WebSocket {
		v.say("nothing", map[string]any{"token": after})
	} else {
		v.change(after, map[string]any{"token": after})
	}
	ends(t, v, ended{reason: "unauthorised", code: 4403}, 0, "")
}

func set(t *testing.T, p *place, kind client.Transport) {
	ann, a, b, c := fresh("ann"), fresh("a"), fresh("b"), fresh("c")
	token := tokenOf(t, ann, nil)
	v := p.visit(t, kind, token, "subject", hall(a), "subject", hall(b))
	v.begun()
	want := sorted("user."+ann, hall(b), hall(c))
	if got := v.alter(token, map[string]any{"set": []string{hall(b), hall(c)}}); !slices.Equal(got, want) {
		t.Errorf("the answer lists %v, want %v", got, want)
	}
	p.note(t, hall(a), "", `"a"`)
	p.note(t, hall(b), "", `"b"`)
	p.note(t, hall(c), "", `"c"`)
	if got := data(v.events(2)); got != `"b" "c"` {
		t.Errorf("heard %s", got)
	}
	if got := v.alter(token, map[string]any{"set": []string{}}); !slices.Equal(got, []string{"user." + ann}) {
		t.Errorf("the answer lists %v", got)
	}
}

func typesOfSubject(t *testing.T, p *place, kind client.Transport) {
	ann, a, b := fresh("ann"), fresh("a"), fresh("b")
	token := tokenOf(t, ann, nil)
	v := p.visit(t, kind, token, "subject", hall(a))
	v.begun()
	v.alter(token, map[string]any{"subscribe": []any{map[string]any{"subject": hall(b), "type": []string{"order.*"}}}})
	p.note(t, hall(a), "note", `1`)
	p.note(t, hall(b), "note", `"hidden"`)
	p.note(t, hall(b), "order.paid", `2`)
	if got := data(v.events(2)); got != `1 2` {
		t.Errorf("heard %s", got)
	}
	v.alter(token, map[string]any{"subscribe": []any{map[string]any{"subject": hall(b), "type": []string{"note"}}}})
	p.note(t, hall(b), "order.paid", `"hidden"`)
	p.note(t, hall(b), "note", `3`)
	if got := data(v.events(3)); got != `1 2 3` {
		t.Errorf("heard %s", got)
	}
}

func typesOfAll(t *testing.T, p *place, kind client.Transport) {
	ann, a := fresh("ann"), fresh("a")
	v := p.visit(t, kind, tokenOf(t, ann, nil), "subject", hall(a), "type", "order.*")
	v.begun()
	p.note(t, hall(a), "note", `"hidden"`)
	p.note(t, "user."+ann, "order.sent", `1`)
	p.note(t, hall(a), "order.paid", `2`)
	if got := data(v.events(2)); got != `1 2` {
		t.Errorf("heard %s", got)
	}
}

func expiring(t *testing.T, p *place, kind client.Transport) {
	ann := fresh("ann")
	soon := tokenOf(t, ann, stage.Claims{"exp": time.Now().Add(32 * time.Second).Unix()})
	v := p.visit(t, kind, soon)
	h := v.awaitType("weft.expiring").json()
	if inner, ok := h["data"].(map[string]any); ok {
		h = inner
	}
	if in, _ := h["in"].(float64); in < 1 || in > 32 {
		t.Errorf("it is told %v", h)
	}
	fresher := tokenOf(t, ann, nil)
	v.alter(fresher, map[string]any{"token": fresher})
	p.note(t, "user."+ann, "", `1`)
	v.events(1)
	told := 0
	for _, h := range v.heard() {
		if h.typ() == "weft.expiring" {
			told++
		}
	}
	if told != 1 {
		t.Errorf("it is told %d times", told)
	}
}

func changeNeedsToken(t *testing.T, p *place, kind client.Transport) {
	v := p.visit(t, kind, tokenOf(t, fresh("ann"), nil))
	if status, answer := v.change("", map[string]any{"subscribe": []string{hall("x")}}); status != http.StatusUnauthorized || answer["code"] != "token_missing" {
		t.Errorf("%d %v", status, answer)
	}
	if status, answer := v.change(tokenOf(t, fresh("bob"), nil), map[string]any{"subscribe": []string{hall("x")}}); status != http.StatusConflict || answer["code"] != "user_mismatch" {
		t.Errorf("%d %v", status, answer)
	}
}

func beginning(t *testing.T, p *place, kind client.Transport) {
	v := p.visit(t, kind, tokenOf(t, fresh("ann"), nil))
	v.begun()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, part := range []string{"retry: ", "id: ", "event: weft.open\n", "data: {"} {
		if !strings.Contains(v.blocks[0], part) {
			t.Errorf("the first block lacks %q:\n%s", part, v.blocks[0])
		}
	}
}

func keepalives(t *testing.T, p *place, kind client.Transport) {
	for _, format := range []string{"payload", "frame", "cloudevents"} {
		v := p.visit(t, kind, tokenOf(t, fresh("ann"), nil), "format", format)
		h := v.awaitType("weft.keepalive")
		if !json.Valid([]byte(h.data)) || h.json() == nil {
			t.Errorf("%s: a keep-alive is %q", format, h.data)
		}
		if h.json()["data"] != nil {
			t.Errorf("%s: a keep-alive has data: %q", format, h.data)
		}
		for _, h := range v.heard() {
			if h.data == "" {
				t.Errorf("%s: something empty was heard: %+v", format, h)
			}
		}
	}
}
