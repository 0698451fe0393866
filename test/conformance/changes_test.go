package conformance

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"weft/test/client"
	"weft/test/stage"
)

// changes are rows of what is changed of an open connection, and of its token.
func changes() []behaviour {
	socket := []client.Transport{client.WebSocket}
	return []behaviour{
		{"an answer has the ref of its command", socket, refs, "change.ref change.order change.bad"},
		{"what is new begins now or after an id", lasting, resumedSubject, "change.begin change.resume change.again"},
		{"a change is made as a whole or not at all", lasting, wholeOrNot, "change.whole change.stays change.inbox change.members change.ref"},
		{"a token of another user is refused", lasting, anotherUser, "change.user"},
		{"a change of nobody is answered 404", []client.Transport{client.SSE}, changeOfNobody, "change.gone"},
		{"a refreshed connection outlives its first token", lasting, outlives, "refresh.outlives"},
		{"a WebSocket that answers no ping is cut", socket, noPong, "ping.cut"},
		{"an event is published by a command", socket, publishCommand, "publish.command"},
	}
}

// try changes a connection, and returns the code with which that is refused, "" for none.
func (v *visitor) try(token string, change map[string]any) (code string) {
	v.t.Helper()
	if v.kind != client.WebSocket {
		_, answer := v.change(token, change)
		code, _ = answer["code"].(string)
		return code
	}
	answer := v.say(fresh("ref"), change)
	problem, _ := answer["error"].(map[string]any)
	code, _ = problem["code"].(string)
	if answer["ok"] != true && (code == "" || problem["detail"] == "") {
		v.t.Errorf("%v is answered %v", change, answer)
	}
	return code
}

// refs are answered in the order of what was said, also what cannot be obeyed.
func refs(t *testing.T, p *place, kind client.Transport) {
	v := p.visit(t, kind, tokenOf(t, fresh("ann"), nil))
	v.begun()
	for _, text := range []string{`{"ref":7,"subscribe":["topic.hall.x"]}`, `{"ref":"seven","unsubscribe":["topic.hall.x"]}`, `{"ref":8}`, `not JSON`, `{"set":[]}`} {
		v.write.Lock()
		err := v.socket.WriteMessage(websocket.TextMessage, []byte(text))
		v.write.Unlock()
		if err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	v.await("five answers", func(heard) bool {
		got = nil
		for _, h := range v.heard() {
			switch f := h.json(); {
			case f["type"] != nil:
			case f["ok"] == true && f["error"] == nil:
				got = append(got, mustJSON(f["ref"])+" ok")
			default:
				problem, _ := f["error"].(map[string]any)
				got = append(got, mustJSON(f["ref"])+" "+mustJSON(problem["code"]))
			}
		}
		return len(got) >= 5
	})
	if want := []string{`7 ok`, `"seven" ok`, `8 "bad_request"`, `null "bad_request"`, `null ok`}; !slices.Equal(got, want) {
		t.Errorf("answered %v, want %v", got, want)
	}
}

func resumedSubject(t *testing.T, p *place, kind client.Transport) {
	a, b, token := hall(fresh("a")), hall(fresh("b")), tokenOf(t, fresh("ann"), nil)
	v := p.visit(t, kind, token, "format", "frame")
	v.open()
	start := v.cursor()
	p.note(t, a, "", `"a1"`)
	p.note(t, b, "", `"b1"`)
	p.has(t, following, token, a, 1)
	p.has(t, following, token, b, 1)
	v.alter(token, map[string]any{"subscribe": []string{a}})
	p.note(t, a, "", `"a2"`)
	v.events(1)
	v.alter(token, map[string]any{"subscribe": []string{b}, "last_event_id": start})
	v.events(2)
	v.alter(token, map[string]any{"subscribe": []string{a, b}, "last_event_id": start})
	p.note(t, b, "", `"b2"`)
	if got := data(v.events(3)); got != `"a2" "b1" "b2"` {
		t.Errorf("heard %s", got)
	}
}

func wholeOrNot(t *testing.T, p *place, kind client.Transport) {
	ann, a := fresh("ann"), hall(fresh("a"))
	token := tokenOf(t, ann, nil)
	v := p.visit(t, kind, token, "format", "frame")
	v.begun()
	for _, c := range []struct {
		code   string
		change map[string]any
	}{
		{"forbidden", map[string]any{"subscribe": []string{a, "topic.room.closed"}}},
		{"bad_subject", map[string]any{"subscribe": []string{a, "hotel"}}},
		{"bad_subject", map[string]any{"subscribe": []string{a}, "unsubscribe": []string{"user." + ann}}},
		{"bad_request", map[string]any{"subscribe": []string{a}, "set": []string{}}},
		{"bad_request", map[string]any{"subscribe": []string{a}, "tomorrow": 1}},
	} {
		if code := v.try(token, c.change); code != c.code {
			t.Errorf("%v is answered %q, want %s", c.change, code, c.code)
		}
	}
	if kind == client.SSE {
		if status, answer := v.change(token, map[string]any{"subscribe": []string{a}, "ref": 1}); status != http.StatusBadRequest || answer["code"] != "bad_request" {
			t.Errorf("a ref is answered %d %v", status, answer)
		}
	}
	p.note(t, a, "", `"a"`)
	p.note(t, "user."+ann, "", `"mine"`)
	if got := data(v.events(1)); got != `"mine"` {
		t.Errorf("heard %s", got)
	}
}

func anotherUser(t *testing.T, p *place, kind client.Transport) {
	ann := fresh("ann")
	token, bobs := tokenOf(t, ann, nil), tokenOf(t, fresh("bob"), nil)
	v := p.visit(t, kind, token, "format", "frame")
	v.begun()
	if code := v.try(token, map[string]any{"token": bobs}); code != "user_mismatch" {
		t.Errorf("the token of another user is answered %q", code)
	}
	p.note(t, "user."+ann, "", `1`)
	v.events(1)
}

func changeOfNobody(t *testing.T, p *place, _ client.Transport) {
	status, text := p.call(t, http.MethodPatch, p.url(changing, "/_weft/v1/connections/AAAAAAAAAAAAAAAAAAAAAA"), tokenOf(t, fresh("ann"), nil),
		"application/json", []byte(`{"subscribe":["topic.hall.x"]}`))
	if status != http.StatusNotFound || problemOf(text).Code != "not_found" {
		t.Errorf("answered %d %s", status, text)
	}
}

func outlives(t *testing.T, p *place, kind client.Transport) {
	ann := fresh("ann")
	end := time.Now().Add(6 * time.Second) // on a busy machine a change takes seconds
	v := p.visit(t, kind, tokenOf(t, ann, stage.Claims{"exp": end.Unix()}), "format", "frame")
	v.awaitType("weft.expiring")
	next := tokenOf(t, ann, nil)
	v.alter(next, map[string]any{"token": next})
	beats := 0
	v.await("keep-alives after its end", func(heard) bool {
		beats = 0
		for _, h := range v.heard() {
			if h.typ() == "weft.keepalive" {
				beats++
			}
		}
		return beats > 0 && time.Now().After(end.Add(time.Second))
	})
	p.note(t, "user."+ann, "", `1`)
	v.events(1)
}

// noPong reads what comes and answers no ping.
func noPong(t *testing.T, p *place, _ client.Transport) {
	d := websocket.Dialer{Subprotocols: []string{"weft.v1"}, TLSClientConfig: p.trust(), HandshakeTimeout: time.Minute}
	conn, _, err := d.Dial(strings.Replace(p.url(following, events), "http", "ws", 1), bearer(tokenOf(t, fresh("ann"), nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	pings := 0
	conn.SetPingHandler(func(string) error { pings++; return nil })
	begun := time.Now()
	_ = conn.SetReadDeadline(begun.Add(time.Minute))
	for err == nil {
		_, _, err = conn.ReadMessage()
	}
	if pings == 0 || time.Since(begun) > 50*time.Second || time.Since(begun) < 4*time.Second { // six keep-alives are six seconds
		t.Errorf("after %d pings and %v: %v", pings, time.Since(begun), err)
	}
}

func publishCommand(t *testing.T, p *place, kind client.Transport) {
	ann, a := fresh("ann"), hall(fresh("a"))
	v := p.visit(t, kind, tokenOf(t, ann, nil), "subject", a)
	v.begun()
	answer := v.say("p", map[string]any{"publish": map[string]any{"subject": a, "type": "note", "data": map[string]any{"n": 1}}})
	got := v.events(1)[0].json()
	if answer["ok"] != true || got["event"] == nil || got["event"] != answer["id"] || got["type"] != "note" {
		t.Errorf("answered %v, heard %v", answer, got)
	}
	if code := v.try("", map[string]any{"publish": map[string]any{"subject": "topic.room.x", "data": 1}}); code != "forbidden" {
		t.Errorf("what the token does not allow is answered %q", code)
	}
}

func expiringShort(t *testing.T, p *place, kind client.Transport) {
	ann := fresh("ann")
	short := func() string { return tokenOf(t, ann, stage.Claims{"exp": time.Now().Add(30 * time.Second).Unix()}) }
	v := p.visit(t, kind, short(), "format", "frame")
	told := func(n int) (in float64) {
		v.await(fmt.Sprint(n, " words of a token's end"), func(heard) bool {
			seen := 0
			for _, h := range v.heard() {
				if h.typ() == "weft.expiring" {
					about, _ := h.json()["data"].(map[string]any)
					in, _ = about["in"].(float64)
					seen++
				}
			}
			return seen >= n
		})
		return in
	}
	told(1)
	fresher := short()
	v.alter(fresher, map[string]any{"token": fresher})
	if in := told(2); in > 15 {
		t.Errorf("%v seconds before its end it is told of a token that has replaced another one", in)
	}
}
