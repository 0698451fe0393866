package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"weft/test/client"
)

// polls are rows of long polls, and of publishing by requests.
func polls() []behaviour {
	poll := []client.Transport{client.Poll}
	return []behaviour{
		{"the first poll is answered at once", poll, firstPoll, "poll.first poll.id"},
		{"a poll waits for an event", poll, pollWaits, "poll.wait poll.over poll.zero"},
		{"an answer has so many events at most", poll, pollMost, "poll.most"},
		{"a poll waits for other states of presence", poll, pollPresence, "poll.presence poll.states"},
		{"presence is of one subject each", nil, presenceOfMany, "presence.one"},
		{"an event is published by a request", poll, publishRequest, "publish.accepted publish.bytes publish.forbidden publish.large publish.token"},
		{"a publisher that repeats itself is recognised", poll, publishAgain, "publish.key"},
	}
}

// An answered is the answer to a poll.
type answered struct {
	Events      []frame           `json:"events"`
	LastEventID string            `json:"last_event_id"`
	Reset       *bool             `json:"reset"`
	Presence    []json.RawMessage `json:"presence"`
	PresenceID  string            `json:"presence_id"`
	Close       json.RawMessage   `json:"close"`
}

// poll polls once, at the node that changes are asked of.
func (p *place) poll(t *testing.T, token string, query ...string) (a answered) {
	t.Helper()
	q := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		q.Add(query[i], query[i+1])
	}
	answer, text := p.inquire(t, changing, inquiry{http.MethodGet, events + "?" + q.Encode(), bearer(token), nil})
	if err := json.Unmarshal(text, &a); err != nil || answer.StatusCode != http.StatusOK || a.LastEventID == "" || a.Events == nil || a.Reset == nil {
		t.Fatalf("%s is answered %s %s", q.Encode(), answer.Status, text)
	}
	return a
}

func firstPoll(t *testing.T, p *place, _ client.Transport) {
	a, token := hall(fresh("a")), tokenOf(t, fresh("ann"), nil)
	p.note(t, a, "", `1`)
	p.has(t, changing, token, a, 1)
	begun := time.Now()
	first := p.poll(t, token, "subject", a, "wait", "60s")
	if len(first.Events) > 0 || time.Since(begun) > 30*time.Second {
		t.Errorf("after %v: %+v", time.Since(begun), first)
	}
	if past := p.poll(t, token, "subject", a, "wait", "60s", "since", "all"); len(past.Events) != 1 || past.Events[0]["data"] != 1.0 {
		t.Errorf("with since=all: %+v", past)
	}
	p.note(t, a, "", `2`)
	if second := p.poll(t, token, "subject", a, "wait", "60s", "last_event_id", first.LastEventID); len(second.Events) != 1 || second.Events[0]["data"] != 2.0 {
		t.Errorf("then: %+v", second)
	}
}

func pollWaits(t *testing.T, p *place, _ client.Transport) {
	a, token := hall(fresh("a")), tokenOf(t, fresh("ann"), nil)
	id := p.poll(t, token, "subject", a).LastEventID
	begun := time.Now()
	if quiet := p.poll(t, token, "subject", a, "wait", "1s", "last_event_id", id); len(quiet.Events) > 0 || time.Since(begun) < 900*time.Millisecond {
		t.Errorf("after %v: %+v", time.Since(begun), quiet)
	}
	heard := make(chan answered, 1)
	go func() { heard <- p.poll(t, token, "subject", a, "wait", "60s", "last_event_id", id) }()
	p.note(t, a, "", `1`)
	if got := <-heard; len(got.Events) != 1 || time.Since(begun) > 40*time.Second {
		t.Errorf("after %v: %+v", time.Since(begun), got)
	}
	p.note(t, a, "", `2`)
	seen := 0
	for begun = time.Now(); seen < 2; { // another node may be ahead
		got := p.poll(t, token, "subject", a, "wait", "0s", "last_event_id", id)
		id = got.LastEventID
		if seen += len(got.Events); time.Since(begun) > time.Minute {
			t.Fatalf("without a wait %d events came", seen)
		}
	}
	begun = time.Now()
	if got := p.poll(t, token, "subject", a, "wait", "0s", "last_event_id", id); len(got.Events) > 0 || time.Since(begun) > 20*time.Second {
		t.Errorf("after %v: %+v", time.Since(begun), got)
	}
	refused(t, p, client.Poll, bearer(token), "wait=61s", http.StatusBadRequest, "bad_request")
}

func pollMost(t *testing.T, p *place, _ client.Transport) {
	base, token := fresh("most"), tokenOf(t, fresh("ann"), nil)
	query, batch := []string{}, []string{}
	for s := range 10 { // a subject keeps 50
		topic := fmt.Sprintf("hall.%s-%d", base, s)
		query = append(query, "subject", "topic."+topic)
		for n := range 30 {
			batch = append(batch, fmt.Sprintf(`{"specversion":"1.0","id":"%d-%d","source":"/%s","type":"x","topic":"%s","data":%d}`, s, n, base, topic, n))
		}
	}
	id := p.poll(t, token, query...).LastEventID
	p.publish(t, "", "application/cloudevents-batch+json", "["+strings.Join(batch, ",")+"]")
	seen := map[any]bool{}
	for round := 0; len(seen) < 300; round++ {
		got := p.poll(t, token, append(query, "wait", "60s", "last_event_id", id)...)
		if len(got.Events) == 0 || len(got.Events) > 256 || round > 20 {
			t.Fatalf("answer %d has %d events; %d before", round, len(got.Events), len(seen))
		}
		for _, e := range got.Events {
			if seen[e["event"]] {
				t.Errorf("twice: %v", e)
			}
			seen[e["event"]] = true
		}
		id = got.LastEventID
	}
}

func pollPresence(t *testing.T, p *place, _ client.Transport) {
	a, token := hall(fresh("a")), tokenOf(t, fresh("ann"), nil)
	query := []string{"subject", "presence." + a}
	first := p.poll(t, token, query...)
	for end := time.Now().Add(time.Minute); len(first.Presence) == 1 && strings.Contains(string(first.Presence[0]), `"complete":false`) && time.Now().Before(end); {
		first = p.poll(t, token, query...) // not all nodes have said who is at them
	}
	if len(first.Presence) != 1 || first.PresenceID == "" {
		t.Fatalf("the first answer is %+v", first)
	}
	query = append(query, "last_event_id", first.LastEventID)
	begun := time.Now()
	same := p.poll(t, token, append(query, "wait", "1s", "presence", first.PresenceID)...)
	if same.PresenceID != first.PresenceID || len(same.Presence) != 1 || time.Since(begun) < 900*time.Millisecond {
		t.Errorf("after %v: %+v", time.Since(begun), same)
	}
	p.visit(t, client.SSE, tokenOf(t, fresh("bob"), nil), "subject", a).begun()
	if other := p.poll(t, token, append(query, "wait", "60s", "presence", first.PresenceID)...); other.PresenceID == first.PresenceID || time.Since(begun) > 40*time.Second {
		t.Errorf("after %v: %+v", time.Since(begun), other)
	}
}

func presenceOfMany(t *testing.T, p *place, kind client.Transport) {
	refused(t, p, kind, bearer(tokenOf(t, fresh("ann"), nil)), "subject=presence.topic.hall.*", http.StatusBadRequest, "bad_subject")
}

func publishRequest(t *testing.T, p *place, _ client.Transport) {
	a, b, token := hall(fresh("a")), hall(fresh("b")), tokenOf(t, fresh("ann"), nil)
	v := p.visit(t, client.SSE, token, "subject", a, "subject", b, "format", "frame")
	v.begun()
	send := func(token, query string, body []byte) (status int, ids []string, code string) {
		t.Helper()
		status, text := p.call(t, http.MethodPost, p.url(publishing, events+"?"+query), token, "application/json", body)
		var answer struct{ IDs []string }
		_ = json.Unmarshal(text, &answer) // then there are none
		return status, answer.IDs, problemOf(text).Code
	}
	status, ids, _ := send(token, "type=note&subject="+a+"&subject="+b, []byte(`{"n": 1}`))
	got := v.events(2)
	if status != http.StatusAccepted || len(ids) != 2 {
		t.Fatalf("answered %d %v", status, ids)
	}
	for i, subject := range []string{a, b} {
		f := got[i].json()
		if f["subject"] != subject || f["event"] != ids[i] || f["type"] != "note" || !strings.Contains(got[i].data, `"data":{"n": 1}`) {
			t.Errorf("%v is told, and heard as %s", ids, got[i].data)
		}
	}
	if status, _, code := send(token, "subject="+a+"&subject=topic.room.x", []byte(`{}`)); status != http.StatusForbidden || code != "forbidden" {
		t.Errorf("what the token does not allow is answered %d %s", status, code)
	}
	if status, _, code := send("", "subject="+a, []byte(`{}`)); status != http.StatusUnauthorized || code != "token_missing" {
		t.Errorf("who has no token is answered %d %s", status, code)
	}
	if status, _, code := send(token, "subject="+a, []byte(`"`+strings.Repeat("x", 1<<20)+`"`)); status != http.StatusRequestEntityTooLarge || code != "too_large" {
		t.Errorf("more than a mebibyte is answered %d %s", status, code)
	}
}

func publishAgain(t *testing.T, p *place, _ client.Transport) {
	a, token := hall(fresh("a")), tokenOf(t, fresh("ann"), nil)
	v := p.visit(t, client.SSE, token, "subject", a, "format", "frame")
	v.begun()
	var told []string
	for _, key := range []string{"one", "one", "two"} {
		header := bearer(token)
		header.Set("Content-Type", "application/json")
		header.Set("Idempotency-Key", key)
		answer, text := p.inquire(t, publishing, inquiry{http.MethodPost, events + "?subject=" + a, header, []byte(`{}`)})
		if answer.StatusCode != http.StatusAccepted {
			t.Fatalf("answered %s %s", answer.Status, text)
		}
		told = append(told, string(text))
	}
	if told[0] != told[1] || told[1] == told[2] {
		t.Errorf("told %v", told)
	}
	v.events(2)
}
