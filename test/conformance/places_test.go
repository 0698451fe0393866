package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"weft/test/client"
	"weft/test/stage"
)

// places are rows of openings, of cursors, of what is reset, and of the order of events.
func places() []behaviour {
	sse := []client.Transport{client.SSE}
	return []behaviour{
		{"the first frame opens", lasting, opening, "open.keepalive open.first open.members open.subjects open.new open.cursor"},
		{"a visitor has no user", lasting, visitorOpens, "open.visitor"},
		{"a resume says how it is", lasting, resumes, "open.exact open.reset"},
		{"a frame of an event has its members", nil, members, "frame.default frame.socket frame.poll event.cursor cursor.text event.subject"},
		{"types of Weft's own are Weft's", nil, ownTypes, "own.types own.subject"},
		{"a frame is one line of data", sse, oneLine, "sse.line sse.id"},
		{"an id is resumed at any node over any transport", nil, resumeAnywhere, "cursor.exact cursor.anywhere order.subject"},
		{"a keep-alive moves the cursor", nil, hidden, "cursor.keepalive"},
		{"an id is brought with other subjects", nil, otherSubjects, "cursor.subjects"},
		{"an id that nobody gave is reset", nil, unknownID, "reset.unknown"},
		{"an id of another store is reset", nil, recreatedID, "reset.recreated"},
		{"a reset that a cut hides is told again", lasting, cutBeforeReset, "reset.cut"},
		{"what is gone is reset", nil, trimmed, "poll.reset reset.trimmed reset.reason reset.others reset.live"},
		{"an event that two subjects bring comes once", nil, onceEach, "order.once"},
	}
}

// about is the data of a frame, which over SSE may be all there is.
func (h heard) about() frame {
	f := h.json()
	if inner, ok := f["data"].(map[string]any); ok {
		return inner
	}
	return f
}

// cursor is the last id that was heard, in whatever frame.
func (v *visitor) cursor() string {
	all := v.heard()
	for _, h := range slices.Backward(all) {
		if id, ok := h.json()["id"].(string); ok && id != "" {
			return id
		}
		if h.id != "" {
			return h.id
		}
	}
	return ""
}

func texts(list any) (all []string) {
	some, _ := list.([]any)
	for _, x := range some {
		text, _ := x.(string)
		all = append(all, text)
	}
	slices.Sort(all)
	return all
}

func opening(t *testing.T, p *place, kind client.Transport) {
	ann, a := fresh("ann"), hall(fresh("a"))
	token := tokenOf(t, ann, nil)
	v := p.visit(t, kind, token, "subject", a, "subject", "presence."+a, "format", "frame")
	connection, about := v.open()
	if v.heard()[0].typ() != "weft.open" || len(connection) < 20 || about["node"] == "" || about["user"] != ann || about["resume"] != "new" || about["keepalive"] != 1.0 {
		t.Errorf("the first is %+v", v.heard()[0])
	}
	if got, want := texts(about["subjects"]), sorted("user."+ann, a, "presence."+a); !slices.Equal(got, want) {
		t.Errorf("subjects are %v, want %v", got, want)
	}
	id, _ := v.heard()[0].json()["id"].(string)
	p.note(t, a, "", `1`)
	again := p.visitAt(changing, t, kind, token, "subject", a, "format", "frame", "last_event_id", id)
	if got := data(again.events(1)); got != "1" {
		t.Errorf("after the id of the first frame comes %s", got)
	}
}

func visitorOpens(t *testing.T, p *place, kind client.Transport) {
	v := p.visit(t, kind, "", "subject", "topic.lobby."+fresh("a"))
	if _, about := v.open(); about["user"] != nil {
		t.Errorf("a visitor is told %v", about)
	}
}

func resumes(t *testing.T, p *place, kind client.Transport) {
	a, token := hall(fresh("a")), tokenOf(t, fresh("ann"), nil)
	first := p.visit(t, kind, token, "subject", a, "format", "frame")
	first.open()
	for id, want := range map[string]string{first.cursor(): "exact", "nobody.gave.this": "reset"} {
		if _, about := p.visitAt(changing, t, kind, token, "subject", a, "last_event_id", id).open(); about["resume"] != want {
			t.Errorf("resumed after %s it says %v", id, about)
		}
	}
}

// members looks at what comes when no format is asked for, over SSE at format=frame.
func members(t *testing.T, p *place, kind client.Transport) {
	a := hall(fresh("a"))
	query := []string{"subject", a}
	if kind == client.SSE {
		query = append(query, "format", "frame")
	}
	v := p.visit(t, kind, tokenOf(t, fresh("ann"), nil), query...)
	v.begun()
	p.note(t, a, "note", `{"n":1}`)
	f := v.events(1)[0].json()
	id, _ := f["id"].(string)
	if f["subject"] != a || f["type"] != "note" || f["event"] == nil || !sameJSON([]byte(mustJSON(f["data"])), []byte(`{"n":1}`)) {
		t.Errorf("the frame is %v", f)
	}
	for _, text := range []string{id, v.cursor()} {
		if !regexp.MustCompile(`^[A-Za-z0-9_-]+$`).MatchString(text) || len(text) > 6144 {
			t.Errorf("an id is %q", text)
		}
	}
}

func ownTypes(t *testing.T, p *place, kind client.Transport) {
	a := hall(fresh("a"))
	v := p.visit(t, kind, tokenOf(t, fresh("ann"), nil), "subject", a, "subject", "presence."+a, "format", "frame")
	v.begun()
	status, text := p.call(t, http.MethodPost, p.nodes[publishing].AdminURL()+events+"?type=weft.close&subject="+a, "", "application/json", []byte(`{}`))
	if status != http.StatusUnprocessableEntity || problemOf(text).Code != "bad_event" {
		t.Errorf("an event of the type weft.close is answered %d %s", status, text)
	}
	p.note(t, a, "", `1`)
	v.events(1)
	v.awaitPresent("topic", strings.TrimPrefix(a, "topic."), 1)
	for _, h := range v.heard() {
		if f := h.json(); h.own() && (f["subject"] != nil || f["event"] != nil) {
			t.Errorf("a frame of Weft's own has a subject: %v", f)
		}
		typ, _ := h.json()["type"].(string)
		if _, is := h.json()["data"].(map[string]any); strings.HasPrefix(typ, "weft.") && is == (typ == "weft.keepalive") {
			t.Errorf("a frame of Weft's own has other data than an object: %s", h.data)
		}
	}
}

func oneLine(t *testing.T, p *place, kind client.Transport) {
	a := hall(fresh("a"))
	v := p.visit(t, kind, tokenOf(t, fresh("ann"), nil), "subject", a, "format", "frame")
	v.begun()
	p.note(t, a, "", "{\"n\":\n\r\n1,\n\"s\":\"a\\nb\"}")
	p.publish(t, "subject="+a, "text/plain", "a\nb\r\nc")
	got := v.events(2)
	if one, two := got[0].json()["data"], got[1].json()["data"]; !sameJSON([]byte(mustJSON(one)), []byte(`{"n":1,"s":"a\nb"}`)) || two != "a\nb\r\nc" {
		t.Errorf("heard %v and %q", one, two)
	}
	for _, h := range v.heard() {
		if id, _ := h.json()["id"].(string); id != h.id {
			t.Errorf("the ids differ of %+v", h)
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, block := range v.blocks {
		if strings.Count(block, "data:") != 1 || strings.Count(block, "event:") != 0 || strings.Contains(block, "\r") {
			t.Errorf("a block is\n%s", block)
		}
	}
}

func resumeAnywhere(t *testing.T, p *place, kind client.Transport) {
	a, token := hall(fresh("a")), tokenOf(t, fresh("ann"), nil)
	v := p.visit(t, kind, token, "subject", a, "format", "frame")
	v.begun()
	var want []string
	for n := range 20 {
		want = append(want, fmt.Sprint(n))
		p.note(t, a, "", want[n])
	}
	got := v.events(20)
	if data(got) != strings.Join(want, " ") {
		t.Errorf("heard %s", data(got))
	}
	id, _ := got[9].json()["id"].(string)
	for _, other := range p.kinds {
		for node := range p.nodes {
			again := p.visitAt(node, t, other, token, "subject", a, "format", "frame", "last_event_id", id)
			if got := data(again.events(10)); got != strings.Join(want[10:], " ") {
				t.Errorf("over %s at node %d there comes %s after 9", other, node, got)
			}
		}
	}
}

// hidden has a keep-alive, or an answer, say where the client is after events that it did not
// want: they do not come to who asks for all types then.
func hidden(t *testing.T, p *place, kind client.Transport) {
	a, token := hall(fresh("a")), tokenOf(t, fresh("ann"), nil)
	v := p.visit(t, kind, token, "subject", a, "type", "loud", "format", "frame")
	v.begun()
	p.note(t, a, "loud", `1`)
	before, _ := v.events(1)[0].json()["id"].(string)
	p.note(t, a, "quiet", `2`)
	v.await("an id behind the quiet one", func(heard) bool {
		again, text := p.inquire(t, changing, inquiry{http.MethodGet, events + "?wait=0s&subject=" + a + "&last_event_id=" + v.cursor(), bearer(token), nil})
		var got struct{ Events []json.RawMessage }
		if err := json.Unmarshal(text, &got); err != nil || again.StatusCode != http.StatusOK {
			t.Fatalf("%s %s", again.Status, text)
		}
		return v.cursor() != before && len(got.Events) == 0
	})
}

func otherSubjects(t *testing.T, p *place, kind client.Transport) {
	a, b, token := hall(fresh("a")), hall(fresh("b")), tokenOf(t, fresh("ann"), nil)
	v := p.visit(t, kind, token, "subject", a, "format", "frame")
	v.begun()
	p.note(t, a, "", `1`)
	id, _ := v.events(1)[0].json()["id"].(string)
	p.note(t, b, "", `2`)
	p.note(t, a, "", `3`)
	again := p.visitAt(changing, t, kind, token, "subject", a, "subject", b, "format", "frame", "last_event_id", id)
	if got := strings.Fields(data(again.events(2))); !slices.Equal(sorted(got...), []string{"2", "3"}) {
		t.Errorf("heard %v", got)
	}
	fewer := p.visitAt(changing, t, kind, token, "subject", b, "format", "frame", "last_event_id", id)
	if got := data(fewer.events(1)); got != "2" {
		t.Errorf("heard %s", got)
	}
}

// awaitReset returns what a visitor is told to be gone: the frame, or that of a poll's answer.
func (v *visitor) awaitReset() (about frame, id string) {
	v.t.Helper()
	h := v.await("a reset", func(h heard) bool { return h.typ() == "weft.reset" || h.json()["reset"] == true })
	if h.name != "answer" {
		if id = h.id; id == "" {
			id, _ = h.json()["id"].(string)
		}
		return h.about(), id
	}
	list, _ := h.json()["resets"].([]any)
	if len(list) != 1 {
		v.t.Fatalf("the answer is %s", h.data)
	}
	about, _ = list[0].(map[string]any)
	return about, h.id
}

func unknownID(t *testing.T, p *place, kind client.Transport) {
	for _, id := range []string{"nobody.gave.this", strings.Repeat("A", 7000)} {
		resetBy(t, p, kind, id, "unknown")
	}
}

func recreatedID(t *testing.T, p *place, kind client.Transport) {
	resetBy(t, p, kind, "AQECAwQFBgc", "recreated") // of version 1, of the stream 010203040506, at 7
}

// cutBeforeReset looks at what one has who has heard the first frame and no more.
func cutBeforeReset(t *testing.T, p *place, kind client.Transport) {
	const brought = "AQECAwQFBgc" // as above
	v := p.visit(t, kind, tokenOf(t, fresh("ann"), nil), "subject", hall(fresh("a")), "format", "frame", "last_event_id", brought)
	_, about := v.open()
	h := v.heard()[0]
	id, _ := h.json()["id"].(string)
	if id == "" {
		id = h.id
	}
	if about["resume"] != "reset" || id != brought {
		t.Errorf("it begins with %q, and says %v", id, about)
	}
}

func resetBy(t *testing.T, p *place, kind client.Transport, id, reason string) {
	t.Helper()
	ann, a := fresh("ann"), hall(fresh("a"))
	p.note(t, a, "", `1`)
	p.has(t, following, tokenOf(t, ann, nil), a, 1)
	v := p.visit(t, kind, tokenOf(t, ann, nil), "subject", a, "format", "frame", "last_event_id", id)
	about, now := v.awaitReset()
	if got := texts(about["subjects"]); about["reason"] != reason || now == "" || !slices.Equal(got, sorted("user."+ann, a)) {
		t.Errorf("it is told %v at %q", about, now)
	}
	p.note(t, a, "", `2`)
	if got := data(v.events(1)); got != "2" {
		t.Errorf("after the reset comes %s", got)
	}
}

func trimmed(t *testing.T, p *place, kind client.Transport) {
	a, b, token := hall(fresh("a")), hall(fresh("b")), stage.Token(t, fresh("ann"), nil)
	first := p.visit(t, kind, token, "subject", a, "subject", b, "format", "frame")
	first.begun()
	p.note(t, b, "", `"first"`)
	id, _ := first.events(1)[0].json()["id"].(string)
	list := []string{}
	for n := range 60 { // events.max_per_subject is 50
		list = append(list, fmt.Sprintf(`{"specversion":"1.0","id":"%d","source":"/x","type":"x","topic":"%s","data":%d}`, n, strings.TrimPrefix(a, "topic."), n))
	}
	p.publish(t, "", "application/cloudevents-batch+json", "["+strings.Join(list, ",")+"]")
	p.note(t, b, "", `"second"`)
	p.has(t, changing, token, b, 2)
	v := p.visitAt(changing, t, kind, token, "subject", a, "subject", b, "format", "frame", "last_event_id", id)
	about, now := v.awaitReset()
	if about["reason"] != "trimmed" || !slices.Equal(texts(about["subjects"]), []string{a}) || now == "" {
		t.Errorf("it is told %v at %q", about, now)
	}
	p.note(t, a, "", `"third"`)
	if got := strings.Fields(data(v.events(2))); !slices.Equal(sorted(got...), []string{`"second"`, `"third"`}) {
		t.Errorf("heard %s", got)
	}
}

func onceEach(t *testing.T, p *place, kind client.Transport) {
	a := hall(fresh("a"))
	v := p.visit(t, kind, tokenOf(t, fresh("ann"), nil), "subject", a, "subject", "topic.hall.*", "type", "only."+strings.TrimPrefix(a, "topic.hall."), "format", "frame")
	v.begun()
	for n := range 5 {
		p.note(t, a, "only."+strings.TrimPrefix(a, "topic.hall."), fmt.Sprint(n))
	}
	v.await("all", func(heard) bool { return strings.HasSuffix(data(v.events(5)), "4") })
	if got := data(v.events(5)); got != "0 1 2 3 4" {
		t.Errorf("heard %s", got)
	}
}
