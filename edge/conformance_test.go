package edge

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"weft/edge/session"
	"weft/edge/wire"
	"weft/jetstream"
)

// TestEveryTransport runs each case over each transport, on a node of its own.
func TestEveryTransport(t *testing.T) {
	cases := []struct {
		name   string
		change func(c *Config, js *jetstream.Config)
		run    func(t *testing.T, s *stack, kind string)
	}{
		{"an event arrives with its id and type", nil, caseEvent},
		{"who comes back gets exactly what was missed", nil, caseResume},
		{"several subjects share one cursor", nil, caseComposite},
		{"history that is gone is one reset", func(_ *Config, js *jetstream.Config) { js.Events.MaxPerSubject = 5 }, caseTrimmed},
		{"an unreadable or future id is one reset", nil, caseBadCursor},
		{"payloads arrive as published", nil, casePayloads},
		{"a type filter hides events and still moves the cursor", nil, caseFilter},
		{"a token's end ends the connection", nil, caseExpiry},
		{"a revoked session is cut and stays out", nil, caseRevokedSession},
		{"a revoked user is cut", nil, caseRevokedUser},
		{"an operator ends connections", nil, caseDisconnect},
		{"draining says goodbye and lets nobody in", nil, caseDrain},
		{"a node that is not ready lets nobody in", nil, caseNotReady},
		{"a limit is told", func(c *Config, _ *jetstream.Config) { c.Public.Limits.PerUser = 1 }, caseLimit},
		{"what cannot be mended by waiting is a 4xx", nil, caseRefused},
		{"a visitor without a token gets what is allowed to all", nil, caseAnonymous},
		{"in mode none the user is in the query", func(c *Config, _ *jetstream.Config) { c.Auth.Mode = "none" }, caseModeNone},
	}
	for _, c := range cases {
		for _, kind := range []string{nameSSE, nameWebSocket, namePoll} {
			t.Run(strings.ReplaceAll(c.name, " ", "_")+"/"+kind, func(t *testing.T) {
				c.run(t, newStack(t, c.change), kind)
			})
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

func caseEvent(t *testing.T, s *stack, kind string) {
	c := s.connect(kind, visitor{token: s.token("ann", nil)})
	open := c.opened()
	if open.id == "" {
		t.Fatal("no cursor at connect")
	}
	if kind != namePoll {
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
	if kind != namePoll {
		if open := c.opened(); open.id != first || !strings.Contains(open.data, `"resume":"exact"`) {
			t.Fatalf("weft.open of who resumes: %+v", open)
		}
	}
	for i, id := range ids {
		c.next().want(t, kind, id, "", fmt.Sprint(i+2))
	}
	if kind != namePoll { // which asks with the same header again
		id := s.store("user.ann", "", []byte(`41`))
		c.next().want(t, kind, id, "", `41`)
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
	if kind != namePoll {
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
	for _, id := range []string{"nonsense", strings.Repeat("x", 4000), s.node.CursorAt(1 << 40)} {
		c := s.connect(kind, visitor{token: s.token("ann", nil), query: params("last_event_id", id)})
		s.oneReset(c, "unknown")
		c.close()
	}
}

// oneReset expects a reset, then only what comes after it.
func (s *stack) oneReset(c *client, reason string) {
	s.t.Helper()
	if c.kind != namePoll {
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
	big := `"` + strings.Repeat("x", jetstream.MaxEventBytes-2) + `"`
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
		if kind == nameSSE {
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
	s.store("user.ann", "", []byte(`"hidden"`))
	hidden := s.store("user.ann", "other", []byte(`"hidden"`))
	for {
		h := c.any()
		if h.typ != wire.TypeKeepalive {
			t.Fatalf("heard %+v, want keep-alives", h)
		}
		if h.id != "" && h.id != id {
			id = h.id
			break
		}
	}
	c.close()
	// Whoever resumes from there without the filter has not missed the hidden.
	note := s.store("user.ann", "note", []byte(`2`))
	c = s.connect(kind, visitor{token: token, query: params("last_event_id", id)})
	if kind != namePoll {
		c.opened()
	}
	c.next().want(t, kind, note, "note", `2`)
	if hidden == "" {
		t.Error("no id")
	}
}

// wantEnd expects a connection to end as the table spells it.
func (c *client) wantEnd(cause session.Cause) {
	c.t.Helper()
	e, last := cause.Ending(), c.ended()
	bye := fmt.Sprintf(`{"reason":%q,"reconnect":%v}`, e.Reason, e.Reconnect)
	switch {
	case c.kind == namePoll && e.Code != "":
		if last.problem != string(e.Code) {
			c.t.Errorf("poll ended with %+v, want %s", last, e.Code)
		}
	case last.typ != wire.TypeClose || last.data != bye:
		c.t.Errorf("%s ended with %+v, want %s", c.kind, last, bye)
	case c.kind == nameWebSocket && last.code != e.Close:
		c.t.Errorf("WebSocket closed with %d, want %d", last.code, e.Close)
	}
}

func caseExpiry(t *testing.T, s *stack, kind string) {
	// exp is in whole seconds.
	end := time.Now().Add(2 * time.Second).Unix()
	token := s.token("ann", map[string]any{"exp": end})
	c := s.connect(kind, visitor{token: token})
	c.opened()
	c.wantEnd(session.Expired)
	if late := time.Since(time.Unix(end, 0)); late < 0 || late > time.Second {
		t.Errorf("cut %v after the token's end", late)
	}
	last := s.connect(kind, visitor{token: token}).ended()
	if kind == nameWebSocket {
		if last.code != 4401 || last.typ != wire.TypeClose {
			t.Errorf("with an expired token: %+v", last)
		}
	} else if last.status != 401 || last.problem != "token_expired" {
		t.Errorf("with an expired token: %+v", last)
	}
}

func (s *stack) wantRevoked(kind, token string) {
	s.t.Helper()
	last := s.connect(kind, visitor{token: token}).ended()
	if kind == nameWebSocket {
		if last.code != 4403 || !strings.Contains(last.data, "revoked") {
			s.t.Errorf("with a revoked token: %+v", last)
		}
	} else if last.status != 403 || last.problem != "token_revoked" {
		s.t.Errorf("with a revoked token: %+v", last)
	}
}

func caseRevokedSession(t *testing.T, s *stack, kind string) {
	token := s.token("ann", map[string]any{"jti": "device 1"})
	c := s.connect(kind, visitor{token: token})
	other := s.connect(kind, visitor{token: s.token("ann", map[string]any{"jti": "device 2"})})
	c.opened()
	other.opened()
	s.eventually("both are connected", func() bool { return s.edge.Connections() == 2 })
	begin := time.Now()
	s.must(s.node.Blacklist().Put(t.Context(), "device 1", "revoked", 0))
	c.wantEnd(session.Revoked)
	if d := time.Since(begin); d > time.Second {
		t.Errorf("cut after %v", d)
	}
	s.wantRevoked(kind, token)
	id := s.store("user.ann", "", []byte(`1`))
	other.next().want(t, kind, id, "", `1`)
}

func caseRevokedUser(t *testing.T, s *stack, kind string) {
	now := time.Now()
	old := s.token("ann", map[string]any{"iat": now.Add(-time.Hour).Unix()})
	c := s.connect(kind, visitor{token: old})
	c.opened()
	s.eventually("connected", func() bool { return s.edge.Connections() == 1 })
	s.must(s.node.Blacklist().Put(t.Context(), "user.ann", now.Add(-time.Minute).Format(time.RFC3339), 0))
	c.wantEnd(session.Revoked)
	s.wantRevoked(kind, old)
	s.connect(kind, visitor{token: s.token("ann", nil)}).opened() // issued later
}

func caseDisconnect(t *testing.T, s *stack, kind string) {
	c := s.connect(kind, visitor{token: s.token("ann", nil)})
	c.opened()
	s.eventually("connected", func() bool { return len(s.edge.registry.OfUser("ann")) == 1 })
	resp, body := s.do("DELETE", "admin:/_weft/v1/users/ann/connections", "", "")
	if resp.StatusCode != 200 || !strings.Contains(body, `"disconnected":1`) {
		t.Fatalf("disconnect answers %d %s", resp.StatusCode, body)
	}
	c.wantEnd(session.Disconnected)
}

func caseDrain(t *testing.T, s *stack, kind string) {
	token := s.token("ann", nil)
	c := s.connect(kind, visitor{token: token})
	place := c.opened().id
	s.eventually("connected", func() bool { return s.edge.Connections() == 1 })
	s.must(s.edge.Drain(t.Context()))
	c.wantEnd(session.Draining)
	if resp, _ := s.do("GET", "admin:/readyz", "", ""); resp.StatusCode != 503 {
		t.Errorf("ready while draining: %d", resp.StatusCode)
	}
	last := s.connect(kind, visitor{token: token, query: params("last_event_id", place)}).ended()
	switch {
	case kind == nameWebSocket && (last.status != 503 || last.problem != "draining"),
		kind != nameWebSocket && !strings.Contains(last.data, `"drain"`):
		t.Errorf("a newcomer hears %+v", last)
	}
}

func caseNotReady(t *testing.T, s *stack, kind string) {
	s.notReady("the stream has gone")
	last := s.connect(kind, visitor{token: s.token("ann", nil)}).ended()
	switch {
	case kind == nameSSE && last.data != `{"reason":"not_ready","reconnect":true}`,
		kind != nameSSE && (last.status != 503 || last.problem != "not_ready"):
		t.Errorf("a newcomer hears %+v", last)
	}
	resp, body := s.do("GET", "admin:/readyz", "", "")
	if resp.StatusCode != 503 || !strings.Contains(body, "the stream has gone") {
		t.Errorf("readyz answers %d %s", resp.StatusCode, body)
	}
}

func caseLimit(t *testing.T, s *stack, kind string) {
	token := s.token("ann", nil)
	s.connect(nameSSE, visitor{token: token}).opened()
	last := s.connect(kind, visitor{token: token}).ended()
	switch {
	case kind == nameSSE && last.data != `{"reason":"limit","reconnect":true}`,
		kind != nameSSE && (last.status != 429 || last.problem != "limit"):
		t.Errorf("one too many hears %+v", last)
	}
	s.connect(kind, visitor{token: s.token("bob", nil)}).opened()
}

func caseRefused(t *testing.T, s *stack, kind string) {
	ann := s.token("ann", nil)
	for _, c := range []struct {
		v      visitor
		status int
		code   string
	}{
		{visitor{query: params("subject", "topic.hotel.42")}, 403, "forbidden"},
		{visitor{token: "no.token.atall"}, 401, "token_invalid"},
		{visitor{token: ann + "x"}, 401, "token_invalid"},
		{visitor{token: ann, query: params("subject", "user.bob")}, 403, "forbidden"},
		{visitor{token: ann, query: params("subject", "user.*")}, 403, "forbidden"},
		{visitor{token: ann, query: params("subject", "topic.>")}, 403, "forbidden"},
		{visitor{token: ann, query: params("subject", "presence.bob")}, 400, "bad_subject"},
		{visitor{token: ann, query: params("subject", "out.user.bob")}, 400, "bad_subject"},
		{visitor{token: ann, query: params("subject", "")}, 400, "bad_subject"},
		{visitor{token: ann, query: params("subject", "topic.hotel.1", "subject", "topic.hotel.1")}, 400, "bad_request"},
		{visitor{token: ann, query: params("type", "*")}, 400, "bad_request"},
		{visitor{token: ann, query: params("type", "weft.close")}, 400, "bad_request"},
		{visitor{token: ann, query: params("format", "xml")}, 400, "bad_request"},
	} {
		if last := s.connect(kind, c.v).ended(); last.status != c.status || last.problem != c.code {
			t.Errorf("%v hears %+v, want %d %s", c.v.query, last, c.status, c.code)
		}
	}
}

func caseAnonymous(t *testing.T, s *stack, kind string) {
	c := s.connect(kind, visitor{query: params("subject", "topic.hotel.lobby")})
	c.opened()
	id := s.store("topic.hotel.lobby", "", []byte(`1`))
	c.next().want(t, kind, id, "", `1`)
	if last := s.connect(kind, visitor{}).ended(); last.status != 403 {
		t.Errorf("with nothing to follow: %+v", last)
	}
}

func caseModeNone(t *testing.T, s *stack, kind string) {
	c := s.connect(kind, visitor{query: params("user", "ann@x.org")})
	c.opened()
	id := s.store("user.ann=40x=2Eorg", "", []byte(`1`))
	c.next().want(t, kind, id, "", `1`)
}
