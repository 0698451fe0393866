package edge_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"weft/config/testkit/standstill"
	"weft/edge/access"
	"weft/edge/session"
	"weft/edge/transport"
	"weft/edge/wire"
)

// says reports whether the farewell asks to come back for this reason, and over
// WebSocket when.
func (h heard) says(reason string) bool {
	var bye struct {
		Reason    string
		Reconnect bool
		Retry     int
	}
	return json.Unmarshal([]byte(h.data), &bye) == nil && bye.Reason == reason && bye.Reconnect && (bye.Retry > 0) == (h.code != 0)
}

// wantEnd expects a connection to end as the table spells it.
func (c *client) wantEnd(cause session.Cause) {
	c.t.Helper()
	e, last := cause.Ending(), c.ended()
	bye := fmt.Sprintf(`{"reason":%q,"reconnect":%v`, e.Reason, e.Reconnect)
	switch {
	case c.kind == transport.Poll && e.Code != "":
		if last.problem != string(e.Code) {
			c.t.Errorf("poll ended with %+v, want %s", last, e.Code)
		}
	case last.typ != wire.TypeClose || !strings.HasPrefix(last.data, bye):
		c.t.Errorf("%s ended with %+v, want %s", c.kind, last, bye)
	case c.kind == transport.WebSocket && last.code != e.Close:
		c.t.Errorf("WebSocket closed with %d, want %d", last.code, e.Close)
	}
}

func caseExpiry(t *testing.T, s *stack, kind string) {
	// exp is in whole seconds.
	end := time.Now().Add(4 * time.Second).Unix()
	token := s.token("ann", map[string]any{"exp": end})
	c := s.connect(kind, visitor{token: token})
	c.opened()
	still := standstill.Begin(t)
	c.wantEnd(session.Expired)
	if late := time.Since(time.Unix(end, 0)); late < 0 || late > time.Second+still.Lost() {
		t.Errorf("cut %v after the token's end", late)
	}
	last := s.connect(kind, visitor{token: token}).ended()
	if kind == transport.WebSocket {
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
	if kind == transport.WebSocket {
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
	begin, still := time.Now(), standstill.Begin(t)
	s.must(s.node.Blacklist().Put(t.Context(), "device 1", "revoked", 0))
	c.wantEnd(session.Revoked)
	if d := time.Since(begin); d > time.Second+still.Lost() {
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
	s.eventually("connected", func() bool { return len(s.edge.Sessions().Registry().OfUser("ann")) == 1 })
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
	if !strings.Contains(last.data, `"drain"`) || kind == transport.WebSocket && last.code != 1012 {
		t.Errorf("a newcomer hears %+v", last)
	}
}

func caseNotReady(t *testing.T, s *stack, kind string) {
	if s.metric("weft_edge_ready") != 1 {
		t.Error("the metrics do not say that the node is ready")
	}
	s.notReady("the stream has gone")
	if s.metric("weft_edge_ready") != 0 {
		t.Error("the metrics say that the node is ready")
	}
	last := s.connect(kind, visitor{token: s.token("ann", nil)}).ended()
	switch {
	case kind == transport.Poll && (last.status != 503 || last.problem != "not_ready"),
		kind != transport.Poll && !last.says("not_ready"),
		kind == transport.WebSocket && last.code != 1012:
		t.Errorf("a newcomer hears %+v", last)
	}
	resp, body := s.do("GET", "admin:/readyz", "", "")
	if resp.StatusCode != 503 || !strings.Contains(body, "the stream has gone") {
		t.Errorf("readyz answers %d %s", resp.StatusCode, body)
	}
}

func caseStorm(t *testing.T, s *stack, kind string) {
	token := s.token("ann", nil)
	places := s.fillAdmission()
	last := s.connect(kind, visitor{token: token}).ended()
	switch {
	case kind == transport.Poll && (last.status != 503 || last.problem != "not_ready"),
		kind != transport.Poll && !last.says("not_ready"),
		kind == transport.WebSocket && last.code != 1012:
		t.Errorf("one too many hears %+v", last)
	}
	if resp, _ := s.do("GET", "admin:/readyz", "", ""); resp.StatusCode != 200 {
		t.Errorf("the node is not ready: %d", resp.StatusCode)
	}
	time.AfterFunc(time.Second/4, places[0].Release)
	first := s.connect(kind, visitor{token: token}).opened() // it waited, and left its place when it had joined
	if kind == transport.Poll {
		s.atHome(token, first.id)
	}
	s.connect(kind, visitor{token: token}).opened()
	s.eventually("their places are free", func() bool { return s.edge.Admission().Connecting() == access.MaxConnecting-1 })
}

// fillAdmission takes all slots.
func (s *stack) fillAdmission() (slots []*access.Slot) {
	s.t.Helper()
	for range access.MaxConnecting {
		slot, err := s.edge.Admission().Enter(s.t.Context())
		s.must(err)
		slots = append(slots, slot)
	}
	return slots
}

// atHome polls on from where it is while all places are taken.
func (s *stack) atHome(token, id string) {
	s.t.Helper()
	s.eventually("the place is free", func() bool { return s.edge.Admission().Connecting() < access.MaxConnecting })
	slot, err := s.edge.Admission().Enter(s.t.Context())
	s.must(err)
	defer slot.Release()
	begun, still := time.Now(), standstill.Begin(s.t)
	resp, body := s.do("GET", "/_weft/v1/events?wait=1ms&last_event_id="+id, token, "")
	if took := time.Since(begun); resp.StatusCode != 200 || took > time.Second+still.Lost() {
		s.t.Errorf("who is at home is answered %d after %v: %s", resp.StatusCode, took, body)
	}
}

func caseLimit(t *testing.T, s *stack, kind string) {
	token := s.token("ann", nil)
	s.connect(transport.SSE, visitor{token: token}).opened()
	last := s.connect(kind, visitor{token: token}).ended()
	switch {
	case kind == transport.Poll && (last.status != 429 || last.problem != "limit"),
		kind != transport.Poll && !last.says("limit"),
		kind == transport.WebSocket && last.code != 4429:
		t.Errorf("one too many hears %+v", last)
	}
	if kind == transport.SSE {
		last = s.connect(kind, visitor{token: token, query: params("format", "frame")}).ended()
		if last.data != `{"type":"weft.close","data":{"reason":"limit","reconnect":true}}` {
			t.Errorf("who asked for frames hears %+v", last)
		}
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
		{visitor{token: ann, query: params("subject", "presence.bob")}, 403, "forbidden"},
		{visitor{token: ann, query: params("subject", "presence.*")}, 400, "bad_subject"},
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

func TestWhoIsSentAwayStaysWhenTheReasonIsGone(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	for range 4 {
		s.connect(transport.SSE, visitor{token: s.token("ann", nil)}).opened()
	}
	asked := 0
	s.edge.Sessions().Dismiss(t.Context(), session.Isolated, 0, func() bool { asked++; return asked <= 3 })
	s.eventually("three have left", func() bool { return s.edge.Connections() == 1 })
	if asked != 4 {
		t.Errorf("the reason was looked at %d times, want before each of the four", asked)
	}
}
