package edge_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"weft/config/testkit/slow"
	"weft/edge"
	"weft/edge/transport"
	"weft/edge/wire"
	"weft/jetstream"
	"weft/jetstream/event"
)

// A path is a way in which connections are served.
type path struct {
	name  string
	kinds []string
	set   func(t *testing.T, s *stack)
}

var (
	onPoller  = path{"poller", allKinds(), func(*testing.T, *stack) {}}
	onNoRaw   = path{"noraw", allKinds(), func(_ *testing.T, s *stack) { s.cfg.Tuning.RawCalls = false }}
	onNetHTTP = path{"nethttp", allKinds(), func(_ *testing.T, s *stack) { s.cfg.Tuning.OwnHTTP = false }}
	// SSE comes over HTTP/2 then, WebSocket over HTTP/1.1.
	onTLS = path{"tls", []string{transport.SSE, transport.WebSocket}, func(t *testing.T, s *stack) {
		files, pool := certificate(t)
		s.cfg.Public.TLS, s.trust = files, &tls.Config{RootCAs: pool}
	}}

	// paths are all of them, plainPaths those that differ in what reads a request.
	paths      = []path{onPoller, onNoRaw, onNetHTTP, onTLS}
	plainPaths = []path{onPoller, onNetHTTP}
)

// TestEveryTransport runs each case over each transport and path, on a node of
// its own.
func TestEveryTransport(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		change func(c *edge.Config, js *jetstream.Config)
		run    func(t *testing.T, s *stack, kind string)
	}{
		{"an event arrives with its id and type", nil, caseEvent},
		{"a connect is timed once", nil, caseConnectTime},
		{"who comes back gets exactly what was missed", nil, caseResume},
		{"what was missed may be larger than a queue", func(c *edge.Config, _ *jetstream.Config) { c.Public.QueueBytes = 256 << 10 }, caseLargeResume},
		{"several subjects share one cursor", nil, caseComposite},
		{"history that is gone is one reset", func(_ *edge.Config, js *jetstream.Config) { js.Events.MaxPerSubject = 5 }, caseTrimmed},
		{"an unreadable or future id is one reset", nil, caseBadCursor},
		{"payloads arrive as published", nil, casePayloads},
		{"an event is shown in the format that is asked for", nil, caseFormats},
		{"who asks for the past gets what is not older", nil, casePast},
		{"a type filter hides events and still moves the cursor", nil, caseFilter},
		{"a token's end ends the connection", nil, caseExpiry},
		{"a revoked session is cut and stays out", nil, caseRevokedSession},
		{"a revoked user is cut", nil, caseRevokedUser},
		{"an operator ends connections", nil, caseDisconnect},
		{"an operator says why", nil, caseReason},
		{"an operator ends one connection or one token", nil, caseEndOne},
		{"too many at once are asked to come back", nil, caseStorm},
		{"draining says goodbye and lets nobody in", nil, caseDrain},
		{"a node that is not ready lets nobody in", nil, caseNotReady},
		{"a limit is told", func(c *edge.Config, _ *jetstream.Config) { c.Public.Limits.PerUser = 1 }, caseLimit},
		{"one user's wildcards are bounded", anyTopic, caseWildcards},
		{"a node's wildcards are bounded", anyTopic, caseAllWildcards},
		{"what cannot be mended by waiting is a 4xx", nil, caseRefused},
		{"a visitor without a token gets what is allowed to all", nil, caseAnonymous},
		{"presence is told once, on change, and again to who comes back", withPresence, casePresence},
		{"visitors without a token follow the presence of topics", withPresence, casePresenceAlone},
		{"devices are shown to those who may see them", withPresence, caseDevices},
		{"in mode none the user is in the query", func(c *edge.Config, _ *jetstream.Config) { c.Auth.Mode = "none" }, caseModeNone},
	}
	for _, c := range cases {
		for _, p := range slow.First(paths) {
			for _, kind := range p.kinds {
				t.Run(strings.ReplaceAll(c.name, " ", "_")+"/"+kind+"/"+p.name, func(t *testing.T) {
					t.Parallel()
					c.run(t, newStackOn(t, p, c.change), kind)
				})
			}
		}
	}
}

func params(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

func (h heard) want(t *testing.T, kind, id, typ, data string) {
	t.Helper()
	if h.id != id || h.typ != typ || h.data != data {
		t.Fatalf("%s: heard id %q type %q data %.80q, want %q %q %.80q", kind, h.id, h.typ, h.data, id, typ, data)
	}
}

func caseConnectTime(t *testing.T, s *stack, kind string) {
	c := s.connect(kind, visitor{token: s.token("ann", nil)})
	c.opened()
	id := s.store("user.ann", "", []byte(`{"n":1}`))
	c.next().want(t, kind, id, "", `{"n":1}`)
	s.eventually("all connects are timed", func() bool { // a poll connects again
		timed := s.metric("weft_edge_connect_seconds", "transport", kind)
		return timed > 0 && timed == s.metric("weft_edge_connects_total", "transport", kind)
	})
	s.notReady("the stream has gone")
	s.connect(kind, visitor{token: s.token("ann", nil)}).ended()
	if timed, let := s.metric("weft_edge_connect_seconds", "transport", kind), s.metric("weft_edge_connects_total", "transport", kind); timed > let {
		t.Errorf("%v connects are timed, %v were let in", timed, let)
	}
}

func caseEvent(t *testing.T, s *stack, kind string) {
	c := s.connect(kind, visitor{token: s.token("ann", nil)})
	open := c.opened()
	if open.id == "" {
		t.Fatal("no cursor at connect")
	}
	if kind != transport.Poll {
		var about struct {
			Connection, Node, User, Resume string
			Subjects                       []string
		}
		s.must(json.Unmarshal([]byte(open.data), &about))
		if len(about.Connection) != 22 || about.Node != "n1" || about.User != "ann" || about.Resume != "new" ||
			len(about.Subjects) != 1 || about.Subjects[0] != "user.ann" {
			t.Errorf("weft.open tells %s", open.data)
		}
	}
	s.store("user.bob", "", []byte(`{"not":"ann's"}`))
	id := s.store("user.ann", "order.shipped", []byte(`{"n":1}`))
	c.next().want(t, kind, id, "order.shipped", `{"n":1}`)
	id = s.store("user.ann", "", []byte(`{"n":2}`))
	c.next().want(t, kind, id, "", `{"n":2}`)
}

func caseResume(t *testing.T, s *stack, kind string) {
	token := s.token("ann", nil)
	c := s.connect(kind, visitor{token: token})
	c.opened()
	first := s.store("user.ann", "", []byte(`1`))
	c.next().want(t, kind, first, "", `1`)
	c.close()
	var ids []string
	for n := 2; n <= 40; n++ {
		ids = append(ids, s.store("user.ann", "", fmt.Appendf(nil, "%d", n)))
	}
	c = s.connect(kind, visitor{token: token, query: params("last_event_id", "ignored"), header: http.Header{"Last-Event-Id": {first}}})
	if kind != transport.Poll {
		if open := c.opened(); open.id != first || !strings.Contains(open.data, `"resume":"exact"`) {
			t.Fatalf("weft.open of who resumes: %+v", open)
		}
	}
	for i, id := range ids {
		c.next().want(t, kind, id, "", fmt.Sprint(i+2))
	}
	if kind != transport.Poll { // which asks with the same header again
		id := s.store("user.ann", "", []byte(`41`))
		c.next().want(t, kind, id, "", `41`)
	}
}

// What was missed is written at the client's pace, also where a large event follows a
// smaller one that is still to be written.
func caseLargeResume(t *testing.T, s *stack, kind string) {
	token := s.token("ann", nil)
	c := s.connect(kind, visitor{token: token})
	place := c.opened().id
	c.close()
	witness := s.connect(transport.SSE, visitor{token: token, query: params("type", "last")})
	witness.opened()
	var ids, payloads []string
	for n := range 8 {
		payload := fmt.Sprintf(`"%d%s"`, n, strings.Repeat("x", 100<<10+n%2*(150<<10)))
		ids, payloads = append(ids, s.store("user.ann", "", []byte(payload))), append(payloads, payload)
	}
	ids, payloads = append(ids, s.store("user.ann", "last", []byte(`0`))), append(payloads, `0`)
	witness.next() // now all of it is history
	c = s.connect(kind, visitor{token: token, query: params("last_event_id", place)})
	if kind != transport.Poll {
		c.opened()
	}
	for n, id := range ids {
		if h := c.next(); h.id != id || h.data != payloads[n] {
			t.Fatalf("%s: event %d is %q, of %d bytes: %.80q", kind, n, h.id, len(h.data), h.data)
		}
	}
}

func caseComposite(t *testing.T, s *stack, kind string) {
	token := s.token("ann", nil)
	c := s.connect(kind, visitor{token: token, query: params("subject", "topic.hotel.42")})
	c.opened()
	var last heard
	for n := range 6 {
		sub := []string{"user.ann", "topic.hotel.42"}[n%2]
		s.store(sub, "t", fmt.Appendf(nil, "%d", n))
		last = c.next()
		if last.data != fmt.Sprint(n) || last.typ != "t" || last.id == "" {
			t.Fatalf("event %d is %+v", n, last)
		}
	}
	c.close()
	for n := 6; n < 10; n++ {
		s.store([]string{"user.ann", "topic.hotel.42"}[n%2], "t", fmt.Appendf(nil, "%d", n))
	}
	c = s.connect(kind, visitor{token: token, query: params("subject", "topic.hotel.42", "last_event_id", last.id)})
	if kind != transport.Poll {
		c.opened()
	}
	seen := map[string]bool{}
	for range 4 {
		seen[c.next().data] = true
	}
	if len(seen) != 4 || !seen["6"] || !seen["7"] || !seen["8"] || !seen["9"] {
		t.Errorf("missed 6 to 9, came back to %v", seen)
	}
}

func caseTrimmed(t *testing.T, s *stack, kind string) {
	first := s.store("user.ann", "", []byte(`0`))
	for n := 1; n <= 12; n++ {
		s.store("user.ann", "", fmt.Appendf(nil, "%d", n))
	}
	c := s.connect(kind, visitor{token: s.token("ann", nil), query: params("last_event_id", first)})
	s.oneReset(c, "trimmed")
}

func caseBadCursor(t *testing.T, s *stack, kind string) {
	s.store("user.ann", "", []byte(`"old"`))
	for _, id := range []string{"nonsense", strings.Repeat("x", 4000), s.node.Store().CursorAt(1 << 40)} {
		c := s.connect(kind, visitor{token: s.token("ann", nil), query: params("last_event_id", id)})
		s.oneReset(c, "unknown")
		c.close()
	}
}

// oneReset expects a reset, then only what comes after it.
func (s *stack) oneReset(c *client, reason string) {
	s.t.Helper()
	if c.kind != transport.Poll {
		if open := c.opened(); !strings.Contains(open.data, `"resume":"reset"`) {
			s.t.Fatalf("weft.open of who cannot resume: %+v", open)
		}
	}
	reset := c.next()
	if reset.typ != wire.TypeReset || reset.id == "" || !strings.Contains(reset.data, `"reason":"`+reason+`"`) || !strings.Contains(reset.data, "user.ann") {
		s.t.Fatalf("heard %+v, want a reset because of %s", reset, reason)
	}
	id := s.store("user.ann", "", []byte(`"new"`))
	c.next().want(s.t, c.kind, id, "", `"new"`)
}

func casePayloads(t *testing.T, s *stack, kind string) {
	c := s.connect(kind, visitor{token: s.token("ann", nil)})
	c.opened()
	big := `"` + strings.Repeat("x", event.MaxBytes-2) + `"`
	for _, p := range []struct{ payload, sse, frame string }{
		{"", "", `""`},
		{"plain text", "plain text", `"plain text"`},
		{"two\nlines\n", "two\nlines\n", `"two\nlines\n"`},
		{" leading space", " leading space", `" leading space"`},
		{"a\rb", "FRAME", `"a\rb"`},
		{"{\"a\":\r\n1}", "FRAME", `{"a":1}`},
		{"{\n\"a\": 1}", "{\n\"a\": 1}", `{"a":1}`},
		{`{"a": 1.0e5}`, `{"a": 1.0e5}`, `{"a": 1.0e5}`},
		{"\x00\xff\xfe", "FRAME", "\x00\xff\xfe"},
		{"\"caf\xe9\"", "FRAME", "\"caf\xe9\""}, // JSON but for the UTF-8
		{"id: 7\nevent: weft.close\n\ndata: x", "id: 7\nevent: weft.close\n\ndata: x", `"id: 7\nevent: weft.close\n\ndata: x"`},
		{"</script>\u2028", "</script>\u2028", "\"\\u003c/script\\u003e\\u2028\""},
		{big, big, big},
	} {
		id := s.store("user.ann", "odd", []byte(p.payload))
		h := c.next()
		want := p.frame
		if kind == transport.SSE {
			if want = p.sse; want == "FRAME" {
				f := parseFrame([]byte(h.data))
				if f.id != h.id || f.typ != "odd" || f.subject != "user.ann" {
					t.Errorf("frame of %q in data: %+v", p.payload, f)
				}
				h.data, want = f.data, p.frame
			}
		}
		h.want(t, kind, id, "odd", want)
	}
}

func caseFilter(t *testing.T, s *stack, kind string) {
	token := s.token("ann", nil)
	c := s.connect(kind, visitor{token: token, query: params("type", "order.*", "type", "note")})
	c.opened()
	s.store("user.ann", "order", []byte(`"hidden"`))
	id := s.store("user.ann", "order.paid", []byte(`1`))
	c.next().want(t, kind, id, "order.paid", `1`)
	before := s.store("user.ann", "", []byte(`"hidden"`))
	s.store("user.ann", "other", []byte(`"hidden"`))
	place := id
	for place == id || place == before { // a keep-alive may come between the two
		h := c.any()
		if h.typ != wire.TypeKeepalive {
			t.Fatalf("heard %+v, want keep-alives", h)
		}
		if h.id != "" {
			place = h.id
		}
	}
	c.close()
	// Whoever resumes from there without the filter has not missed the hidden.
	note := s.store("user.ann", "note", []byte(`2`))
	c = s.connect(kind, visitor{token: token, query: params("last_event_id", place)})
	if kind != transport.Poll {
		c.opened()
	}
	c.next().want(t, kind, note, "note", `2`)
}
