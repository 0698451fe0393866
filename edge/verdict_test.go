package edge_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/edge"
	"weft/edge/auth"
	"weft/edge/session"
	"weft/edge/transport"
	"weft/jetstream"
)

// wantReason wants the connection to end with a cause and what an operator said of it,
// on every place where a client, or a person at one, looks.
func (c *client) wantReason(cause session.Cause, reason string) {
	c.t.Helper()
	e, last := cause.Ending(), c.ended()
	if c.kind == transport.Poll && e.Code != "" {
		if last.problem != string(e.Code) || last.detail != e.Detail+": "+reason {
			c.t.Errorf("poll ended with %+v, want %s and %q", last, e.Code, reason)
		}
		return
	}
	var bye struct {
		Reason, Detail string
		Reconnect      bool
	}
	if err := json.Unmarshal([]byte(last.data), &bye); err != nil || bye.Reason != e.Reason || bye.Detail != reason || bye.Reconnect != e.Reconnect {
		c.t.Errorf("%s ended with %+v, want %s and %q", c.kind, last, e.Reason, reason)
	}
	if c.kind == transport.WebSocket && (last.code != e.Close || last.detail != reason) {
		c.t.Errorf("WebSocket closed with %d %q, want %d %q", last.code, last.detail, e.Close, reason)
	}
}

// delete asks an operator's DELETE.
func (s *stack) delete(path string) (status int, answer struct {
	Disconnected        int
	Revoked, Complete   bool
	Node, User, Session string
	Code, Detail        string
}) {
	s.t.Helper()
	resp, body := s.do(http.MethodDelete, "admin:/_weft/v1/"+path, "", "")
	s.must(json.Unmarshal([]byte(body), &answer))
	return resp.StatusCode, answer
}

func caseReason(t *testing.T, s *stack, kind string) {
	reason := `moved to <new> "houses" ` + strings.Repeat("é", (session.MaxDetail-24)/2) // as long as may be
	for _, asks := range []struct {
		query string
		cause session.Cause
	}{{"", session.Disconnected}, {"&reconnect=true", session.Dismissed}, {"&revoke=true", session.Revoked}} {
		token := s.token("ann", nil)
		c, other := s.connect(kind, visitor{token: token}), s.connect(kind, visitor{token: s.token("bob", nil)})
		c.opened()
		other.opened()
		s.eventually("connected", func() bool { return len(s.edge.Sessions().Registry().OfUser("ann")) == 1 })
		status, said := s.delete("users/ann/connections?reason=" + url.QueryEscape(reason) + asks.query)
		if status != http.StatusOK || said.Disconnected != 1 || said.Revoked != (asks.cause == session.Revoked) || !said.Complete {
			t.Fatalf("%s: %d %+v", asks.query, status, said)
		}
		c.wantReason(asks.cause, reason)
		if said.Revoked {
			s.wantRevoked(kind, token)
		}
		id := s.store("user.bob", "", []byte(`1`))
		other.next().want(t, kind, id, "", `1`)
		other.close()
	}
}

func caseEndOne(t *testing.T, s *stack, kind string) {
	tablet, phone := s.token("ann", map[string]any{"jti": "tablet"}), s.token("ann", map[string]any{"jti": "phone"})
	var all []*client
	for _, token := range []string{tablet, tablet, phone, phone} {
		c := s.connect(kind, visitor{token: token})
		c.opened()
		all = append(all, c)
	}
	// of lists the connections of a token; over polling they are others all the time.
	of := func(token string) (ids []string) {
		for _, about := range s.edge.Sessions().Registry().OfToken(token) {
			ids = append(ids, about.About().ID)
		}
		return ids
	}
	if kind == transport.Poll {
		s.eventually("all wait", func() bool { return len(of("tablet")) == 2 && len(of("phone")) == 2 })
		if status, said := s.delete("connections/" + of("tablet")[0] + "?reason=bye&reconnect=true"); status != http.StatusOK || said.Disconnected != 1 {
			t.Fatalf("end one: %d %+v", status, said)
		}
		s.eventually("one is gone", func() bool { return len(of("tablet")) == 1 })
	} else {
		status, said := s.delete("connections/" + of("tablet")[0] + "?reason=bye")
		if status != http.StatusOK || said.Disconnected != 1 || said.User != "ann" || said.Session != "tablet" || said.Node != "n1" || said.Revoked {
			t.Fatalf("end one: %d %+v", status, said)
		}
		s.eventually("one is gone", func() bool { return len(of("tablet")) == 1 })
	}
	s.eventually("the others are there", func() bool { return len(of("phone")) == 2 })
	phones := of("phone")
	status, said := s.delete("connections/" + phones[0] + "?reason=lost&revoke=true")
	if status != http.StatusOK || said.Disconnected != 2 || said.Session != "phone" || !said.Revoked {
		t.Fatalf("revoke one: %d %+v", status, said)
	}
	for _, c := range all[2:] {
		c.wantReason(session.Revoked, "lost")
	}
	s.wantRevoked(kind, phone)
	if status, said := s.delete("connections/" + phones[0]); status != http.StatusNotFound || said.Code != "not_found" {
		t.Errorf("end it again: %d %+v", status, said)
	}
	s.eventually("one is left", func() bool { return len(of("tablet")) == 1 })
}

func TestWhatAnOperatorMayNotAskForEndsNothing(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	c := s.connect(transport.SSE, visitor{token: s.token("ann", nil)})
	var open struct{ Connection string }
	s.must(json.Unmarshal([]byte(c.opened().data), &open))
	for _, path := range []string{"users/ann/connections", "connections/" + open.Connection} {
		for query, want := range map[string]string{
			"reason=" + strings.Repeat("x", session.MaxDetail+1): "at most 123 bytes",
			"reason=a%0Ab":               "control characters",
			"reason=a%C2%9Bb":            "control characters",
			"reason=%FF":                 "UTF-8",
			"reason=a&reason=b":          "two different values",
			"revoke=yes":                 "revoke is neither true nor false",
			"reconnect=1":                "reconnect is neither true nor false",
			"revoke=true&reconnect=true": "contradict",
			"reasno=x":                   "did you mean reason",
			"reason=x&prefix=a":          "no parameter",
			"revoke=true&reason=a%00":    "control characters",
		} {
			if status, said := s.delete(path + "?" + query); status != http.StatusBadRequest || !strings.Contains(said.Detail, want) {
				t.Errorf("DELETE %s?%s: %d %+v, want %q", path, query, status, said, want)
			}
		}
	}
	for path, want := range map[string]int{
		"users/" + strings.Repeat("x", 300) + "/connections?revoke=true": 400,
		"connections/" + session.NewID():                                 404,
		"connections/" + strings.Repeat("x", 300):                        404,
		"connections/":             404,
		"connections":              404,
		"users/nobody/connections": 200,
	} {
		if status, said := s.delete(path); status != want || said.Disconnected != 0 {
			t.Errorf("DELETE %.60s: %d %+v, want %d", path, status, said, want)
		}
	}
	for path, want := range map[string]int{
		"users?topic=": 400, "users?topic=a..b": 400, "users?topic=hotel.*": 400, "users?prefixes=a": 400, "users/ann?topic=x": 400,
		"topics/hotel.1?prefix=a": 400, "nodes?limit=1": 400, "connections/x": 405,
	} {
		if resp, body := s.do("GET", "admin:/_weft/v1/"+path, "", ""); resp.StatusCode != want {
			t.Errorf("GET %s: %d %s, want %d", path, resp.StatusCode, body, want)
		}
	}
	id := s.store("user.ann", "", []byte(`1`))
	c.next().want(t, transport.SSE, id, "", `1`)
}

func TestUsersAreFoundByPrefixAndTopic(t *testing.T) {
	t.Parallel()
	s := newStack(t, anyTopic)
	for user, subjects := range map[string][]string{
		"ann": {"topic.hotel.1"}, "anna": {"topic.hotel.*"}, "ann b": {"topic.hotel.2"}, "bob": {"topic.hotel.1"}, "bo": nil, "é1": {"topic.>"},
	} {
		q := url.Values{"subject": subjects}
		s.connect(transport.SSE, visitor{token: s.token(user, nil), query: q}).opened()
	}
	for query, want := range map[string][]string{
		"":                            {"ann", "ann b", "anna", "bo", "bob", "é1"},
		"prefix=":                     {"ann", "ann b", "anna", "bo", "bob", "é1"},
		"prefix=ann":                  {"ann", "ann b", "anna"},
		"prefix=ann%20":               {"ann b"},
		"prefix=b":                    {"bo", "bob"},
		"prefix=%C3":                  {"é1"},
		"prefix=%C3%A9":               {"é1"},
		"prefix=c":                    {},
		"topic=hotel.1":               {"ann", "anna", "bob", "é1"},
		"topic=hotel.2":               {"ann b", "anna", "é1"},
		"topic=staff":                 {"é1"},
		"topic=hotel.1&prefix=ann":    {"ann", "anna"},
		"topic=hotel.1&prefix=ann%20": {},
		"topic=hotel.1&prefix=b":      {"bob"},
	} {
		for _, limit := range []string{"1", "2", "100"} {
			got, after := []string{}, ""
			for range 10 {
				g := s.get("users?limit=" + limit + "&after=" + url.QueryEscape(after) + "&" + query)
				for _, u := range g.Items {
					got = append(got, u.User)
				}
				if after = g.Next; after == "" {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("users?%s by %s: %q, want %q", query, limit, got, want)
			}
		}
	}
	if g := s.get("topics/hotel.1"); g.Followers != 4 || !g.Online {
		t.Errorf("the topic: %+v", g)
	}
	if _, body := s.do("GET", "admin:/_weft/v1/topics/hotel.1", "", ""); !strings.Contains(body, `"online":true,"by_name":2,"followers":4`) {
		t.Errorf("the topic: %s", body)
	}
	if _, body := s.do("GET", "admin:/_weft/v1/topics/staff", "", ""); !strings.Contains(body, `"online":false,"by_name":0,"followers":1`) {
		t.Errorf("a topic that only wildcards follow: %s", body)
	}
}

func TestAUserIsNotOnlineBecauseOthersFollowTheInbox(t *testing.T) {
	t.Parallel()
	s := newStack(t, func(c *edge.Config, _ *jetstream.Config) {
		c.Auth.Privileged = auth.Privileges{{Claim: "/role", AnyOf: []string{"support"}, Allow: []string{"user.*"}}}
	})
	watcher := s.connect(transport.SSE, visitor{token: s.token("sue", map[string]any{"role": "support"}), query: params("subject", "user.ann")})
	watcher.opened()
	if g := s.get("users/ann"); g.Online || len(g.Connections) != 0 || !g.Complete {
		t.Errorf("ann, whom somebody watches: %+v", g)
	}
	ann := s.connect(transport.SSE, visitor{token: s.token("ann", nil)})
	ann.opened()
	if g := s.get("users/ann"); !g.Online || len(g.Connections) != 1 {
		t.Errorf("ann, who is here: %+v", g)
	}
}

// What an operator is told and what a follower of presence is told is the same, whichever
// node either asks, and so is what either hears when connections end.
func TestOperatorsOfAnyNodeFindAndEndWhatPresenceTellsOf(t *testing.T) {
	t.Parallel()
	nodes := newClusterOf(t, func(c *edge.Config, js *jetstream.Config) {
		withPresence(c, js)
		c.Auth.Allow = append(c.Auth.Allow, "topic.hotel.*")
	})
	hotel := params("subject", "topic.hotel.42")
	var bobs []*client
	for _, s := range nodes {
		c := s.connect(transport.SSE, visitor{token: s.token("bob", map[string]any{"jti": "at " + s.node.Name()}), query: hotel})
		c.opened()
		bobs = append(bobs, c)
	}
	for user, subject := range map[string]string{"bobby": "topic.hotel.42", "boss": "topic.hotel.*", "carl": "topic.hotel.42"} {
		s := nodes[len(user)%len(nodes)]
		s.connect(transport.WebSocket, visitor{token: s.token(user, nil), query: params("subject", subject)}).opened()
	}
	watching := nodes[1].connect(transport.SSE, visitor{token: nodes[1].token("ann", nil),
		query: params("subject", "presence.bob", "subject", "presence.topic.hotel.42")})
	watching.opened()
	heard := map[string]string{} // what was told last
	// agree waits until all that tell tell the same.
	agree := func(bob, topic int) {
		t.Helper()
		want := []string{state("user", "bob", bob), state("topic", "hotel.42", topic)}
		for heard["bob"] != want[0] || heard["hotel.42"] != want[1] {
			h := watching.next()
			var of struct{ User, Topic string }
			nodes[1].must(json.Unmarshal([]byte(h.data), &of))
			heard[of.User+of.Topic] = h.data
		}
		for _, s := range nodes {
			s.eventually("an operator is told the same", func() bool {
				user, at := s.getWhole("users/bob"), s.getWhole("topics/hotel.42")
				return len(user.Connections) == bob && user.Online == (bob > 0) && at.ByName == topic && at.Online == (topic > 0) && at.Followers == topic+1
			})
		}
	}
	agree(3, 5)
	for query, want := range map[string]string{
		"prefix=bo": "bob3 bobby1 boss1", "topic=hotel.42": "bob3 bobby1 boss1 carl1", "topic=hotel.42&prefix=bob": "bob3 bobby1", "topic=hotel.7": "boss1",
	} {
		for _, s := range nodes {
			var got []string
			for after, more := "", true; more; more = after != "" {
				g := s.getWhole("users?limit=1&after=" + after + "&" + query)
				for _, u := range g.Items {
					got = append(got, fmt.Sprint(u.User, u.Connections))
				}
				after = g.Next
			}
			if strings.Join(got, " ") != want {
				t.Errorf("users?%s at %s: %s, want %s", query, s.node.Name(), got, want)
			}
		}
	}

	third := nodes[2].edge.Sessions().Registry().OfUser("bob")[0].About().ID
	status, said := nodes[0].delete("connections/" + third + "?reason=one")
	if status != http.StatusOK || said.Node != "n3" || said.Disconnected != 1 {
		t.Fatalf("end a connection of another node: %d %+v", status, said)
	}
	bobs[2].wantReason(session.Disconnected, "one")
	agree(2, 4)
	second := nodes[1].edge.Sessions().Registry().OfUser("bob")[0].About().ID
	if status, said := nodes[2].delete("connections/" + second + "?reason=two&revoke=true"); status != http.StatusOK || said.Session != "at n2" || !said.Revoked {
		t.Fatalf("revoke a connection of another node: %d %+v", status, said)
	}
	bobs[1].wantReason(session.Revoked, "two")
	if status, said := nodes[1].delete("users/bob/connections?reason=all&revoke=true"); status != http.StatusOK || said.Disconnected != 1 || !said.Revoked {
		t.Fatalf("revoke a user: %d %+v", status, said)
	}
	bobs[0].wantReason(session.Revoked, "all")
	agree(0, 2)
	for _, s := range nodes {
		s.eventually("bob's tokens let nobody in", func() bool {
			return s.connect(transport.SSE, visitor{token: s.token("bob", map[string]any{"iat": time.Now().Add(-time.Hour).Unix()})}).ended().problem == "token_revoked"
		})
	}

	nodes[2].must(nodes[2].node.Close())
	nodes[0].eventually("the third node is missed", func() bool { return !nodes[0].get("users?topic=hotel.42").Complete })
	if status, said := nodes[0].delete("connections/" + third); status != http.StatusServiceUnavailable || said.Code != "not_ready" {
		t.Errorf("a connection that may be at a node that is gone: %d %+v", status, said)
	}
	if status, said := nodes[0].delete("users/bob/connections?revoke=true"); status != http.StatusOK || said.Complete {
		t.Errorf("a user who may be at a node that is gone: %d %+v", status, said)
	}
}
