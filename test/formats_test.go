package test

import (
	"encoding/json"
	"net/url"
	"testing"

	"weft/test/client"
	"weft/test/stage"
)

// The publisher, and every client on every transport, know an event by one id, and its
// CloudEvent by the same attributes; who comes later gets it from the past.
func TestAnEventHasOneIDAndOneShapeForEverybody(t *testing.T) {
	t.Parallel()
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	ann := stage.Token(t, "ann", nil)
	target := func(pairs ...string) client.Target {
		q := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			q.Set(pairs[i], pairs[i+1])
		}
		return client.Target{URL: node.URL(), Token: ann, Query: q}
	}
	live := map[string]*client.Recorder{
		"SSE":             record(t, client.SSE, target("format", "frame")),
		"SSE cloudevents": record(t, client.SSE, target("format", "cloudevents")),
		"WebSocket":       record(t, client.WebSocket, target()),
		"poll":            record(t, client.Poll, target()),
	}
	p := post(t, node.AdminURL(), nil, map[string]string{"Content-Type": "application/cloudevents+json"},
		[]byte(`{"specversion":"1.0","id":"7 ü","source":"/shop","type":"order.paid","user":"ann","subject":"9","data":{"n":1}}`))
	accepted(t, p)
	check := func(how string, r *client.Recorder) {
		t.Helper()
		e := awaitEvents(t, r, 1)[0]
		raw := e.CloudEvent
		if how == "SSE cloudevents" {
			raw = e.Data
		}
		var ce struct{ ID, Source, Subject string }
		if err := json.Unmarshal(raw, &ce); err != nil || ce.ID != "7 ü" || ce.Source != "/shop" || ce.Subject != "9" {
			t.Errorf("%s: the CloudEvent is %s", how, raw)
		}
		if e.EventID != p.IDs[0] || e.Subject != "user.ann" || e.Type != "order.paid" {
			t.Errorf("%s: event %q of %s, type %s; the publisher was told %q", how, e.EventID, e.Subject, e.Type, p.IDs)
		}
	}
	for how, r := range live {
		check(how, r)
	}
	check("WebSocket, later", record(t, client.WebSocket, target("since", "all")))
	check("SSE, later", record(t, client.SSE, target("since", "1h", "format", "frame")))
	check("poll, later", record(t, client.Poll, target("since", "all")))
	plain := record(t, client.SSE, target("since", "all"))
	if e := awaitEvents(t, plain, 1)[0]; string(e.Data) != `{"n":1}` || e.Type != "order.paid" || e.ID != p.IDs[0] {
		t.Errorf("its payload alone is %+v", e)
	}
	var opened client.Opened
	if err := json.Unmarshal(plain.All()[0].Data, &opened); err != nil || opened.Resume != "since" {
		t.Errorf("it begins with %s", plain.All()[0].Data)
	}
}
