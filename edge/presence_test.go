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
	"weft/edge/wire"
	"weft/jetstream"
)

// withPresence lets everybody follow bob's presence and that of hotels, support see
// devices, and visitors without a token follow the lobby's.
func withPresence(c *edge.Config, _ *jetstream.Config) {
	c.Auth.Allow = append(c.Auth.Allow, "presence.bob", "presence.topic.hotel.*", "presence.{/friends}")
	c.Auth.Privileged = auth.Privileges{{Claim: "/role", AnyOf: []string{"support"}, Allow: []string{"presence.devices"}}}
	c.Auth.Anonymous.Allow = append(c.Auth.Anonymous.Allow, "presence.topic.hotel.lobby")
}

// told waits for a state of presence, whatever is told before.
func (c *client) told(want string) heard {
	c.t.Helper()
	var last heard
	for deadline := time.Now().Add(time.Minute); ; {
		if last.data != "" && time.Now().After(deadline) {
			c.t.Fatalf("%s: the last state is %s, not %s", c.kind, last.data, want)
		}
		h := c.any()
		if h.typ == wire.TypeKeepalive {
			continue
		}
		last = h
		if last.typ != wire.TypePresence {
			c.t.Fatalf("%s: heard %+v, want %s", c.kind, last, want)
		}
		if last.id != "" {
			c.t.Fatalf("%s: a state of presence has the id %s", c.kind, last.id)
		}
		if last.data == want {
			return last
		}
	}
}

func state(of, name string, connections int) string {
	return fmt.Sprintf(`{%q:%q,"online":%v,"connections":%d}`, of, name, connections > 0, connections)
}

func casePresence(t *testing.T, s *stack, kind string) {
	ann := s.token("ann", nil)
	c := s.connect(kind, visitor{token: ann, query: params("subject", "presence.bob", "subject", "presence.topic.hotel.42")})
	open := c.opened()
	if kind != transport.Poll && !strings.Contains(open.data, `"subjects":["user.ann","presence.bob","presence.topic.hotel.42"]`) {
		t.Errorf("weft.open tells %s", open.data)
	}
	first, second := c.next(), c.next()
	if got := []string{first.data, second.data}; !slices.Contains(got, state("user", "bob", 0)) || !slices.Contains(got, state("topic", "hotel.42", 0)) {
		t.Errorf("%s: told at first: %q", kind, got)
	}
	bob := s.connect(transport.SSE, visitor{token: s.token("bob", nil), query: params("subject", "topic.hotel.1")})
	bob.opened()
	c.told(state("user", "bob", 1))
	looks := s.connect(transport.WebSocket, visitor{token: s.token("eve", nil), query: params("subject", "topic.hotel.42")})
	looks.opened()
	c.told(state("topic", "hotel.42", 1))
	id := s.store("user.ann", "", []byte(`1`))
	c.next().want(t, kind, id, "", `1`)
	c.close()
	c = s.connect(kind, visitor{token: ann, query: params("subject", "presence.bob", "last_event_id", id)})
	if kind != transport.Poll {
		if open := c.opened(); open.id != id {
			t.Errorf("%s: resumed at %s, told %s", kind, id, open.id)
		}
	}
	c.told(state("user", "bob", 1))
}

func casePresenceAlone(t *testing.T, s *stack, kind string) {
	c := s.connect(kind, visitor{query: params("subject", "presence.topic.hotel.lobby")})
	open := c.opened()
	if open.id == "" {
		t.Error("no cursor at connect")
	}
	c.told(state("topic", "hotel.lobby", 0))
	other := s.connect(transport.SSE, visitor{query: params("subject", "topic.hotel.lobby")})
	other.opened()
	c.told(state("topic", "hotel.lobby", 1))
	c.close()
	again := s.connect(kind, visitor{query: params("subject", "presence.topic.hotel.lobby", "last_event_id", open.id)})
	if kind != transport.Poll {
		if open := again.opened(); !strings.Contains(open.data, `"resume":"exact"`) {
			t.Errorf("resumed as %s", open.data)
		}
	}
	again.told(state("topic", "hotel.lobby", 1))
	lost := s.connect(kind, visitor{query: params("subject", "presence.topic.hotel.lobby", "last_event_id", "none")})
	if kind != transport.Poll {
		if open := lost.opened(); open.id == "none" || !strings.Contains(open.data, `"resume":"new"`) {
			t.Errorf("with an id that is none: %+v", open)
		}
	}
	lost.told(state("topic", "hotel.lobby", 1))
	for _, sub := range []string{"presence.bob", "presence.topic.hotel.42", "presence.devices"} {
		if last := s.connect(kind, visitor{query: params("subject", sub)}).ended(); last.problem != "forbidden" {
			t.Errorf("%s without a token: %+v", sub, last)
		}
	}
}

func caseDevices(t *testing.T, s *stack, kind string) {
	bob := s.connect(transport.WebSocket, visitor{
		token: s.token("bob", nil), query: params("device", "Bob’s phone", "subject", "topic.hotel.42"), header: http.Header{"User-Agent": {"test/1"}},
	})
	bob.opened()
	for _, of := range []string{"presence.bob", "presence.topic.hotel.42"} {
		plain := s.connect(kind, visitor{token: s.token("ann", map[string]any{"friends": "devices"}), query: params("subject", of)})
		plain.opened()
		for {
			if h := plain.next(); strings.Contains(h.data, "phone") || strings.Contains(h.data, "devices") {
				t.Fatalf("who may not see devices is told %s", h.data)
			} else if strings.Contains(h.data, `"connections":1`) {
				break
			}
		}
		c := s.connect(kind, visitor{token: s.token("sue", map[string]any{"role": "support"}), query: params("subject", of)})
		c.opened()
		var data struct {
			Connections int
			Devices     []map[string]any
		}
		for data.Connections == 0 {
			h := c.next()
			s.must(json.Unmarshal([]byte(h.data), &data))
			if strings.Contains(h.data, "127.0.0.1") {
				t.Errorf("an address is told: %s", h.data)
			}
		}
		if len(data.Devices) != 1 {
			t.Fatalf("%d devices are told", len(data.Devices))
		}
		d := data.Devices[0]
		keys := make([]string, 0, len(d))
		for k := range d {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		if want := []string{"agent", "device", "id", "node", "since", "transport"}; !slices.Equal(keys, want) ||
			d["device"] != "Bob’s phone" || d["agent"] != "test/1" || d["node"] != "n1" || d["transport"] != "websocket" {
			t.Errorf("a device is told as %v", d)
		}
	}
}

// A device's name is shown to operators as well, and what is none is refused.
func TestADeviceHasANameThatCanBeShown(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	c := s.connect(transport.SSE, visitor{token: s.token("ann", nil), query: params("device", "tablet in the kitchen")})
	c.opened()
	if _, body := s.do("GET", "admin:/_weft/v1/users/ann", "", ""); !strings.Contains(body, `"device":"tablet in the kitchen"`) {
		t.Errorf("operators see %s", body)
	}
	for name, status := range map[string]int{strings.Repeat("x", 64): 200, strings.Repeat("x", 65): 400, "a\nb": 400, "\xff": 400, "a\x7f": 400, "\u202eevil": 400, strings.Repeat("é", 32): 200, "": 200} {
		resp, body := s.do("GET", pathEvents+"?"+url.Values{"device": {name}}.Encode(), s.token("ann", nil), "")
		if resp.StatusCode != status {
			t.Errorf("the device %q: %d %s", name, resp.StatusCode, body)
		}
	}
}

// Presence is followed and let go while a connection is open, in order with all else.
func TestPresenceIsFollowedAndLetGoWhileAConnectionIsOpen(t *testing.T) {
	t.Parallel()
	for _, p := range plainPaths {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := newStackOn(t, p, withPresence)
			ann := s.token("ann", nil)
			socket := s.connect(transport.WebSocket, visitor{token: ann})
			socket.opened()
			say := func(message string) { s.must(socket.socket.WriteMessage(1, []byte(message))) }
			hear := func(is func(h heard) bool) {
				t.Helper()
				for range 3 {
					if is(socket.next()) {
						return
					}
				}
				t.Fatal("it is not told")
			}
			ok := func(h heard) bool { return string(h.frame["ok"]) == "true" }
			say(`{"subscribe":["presence.bob","topic.hotel.7"],"ref":1}`)
			answered, told := false, false
			hear(func(h heard) bool {
				answered, told = answered || ok(h), told || h.data == state("user", "bob", 0)
				return answered && told
			})
			s.connect(transport.SSE, visitor{token: s.token("bob", nil)}).opened()
			socket.told(state("user", "bob", 1))
			say(`{"unsubscribe":["presence.bob"],"ref":2}`)
			hear(ok)
			s.connect(transport.SSE, visitor{token: s.token("bob", nil)}).opened()
			id := s.store("topic.hotel.7", "", []byte(`7`))
			if h := socket.next(); h.data != "7" || id == "" {
				t.Errorf("heard %+v of what was let go", h)
			}

			sse := s.connect(transport.SSE, visitor{token: ann})
			var about struct{ Connection string }
			s.must(json.Unmarshal([]byte(sse.opened().data), &about))
			patch := func(body string) string {
				resp, got := s.do("PATCH", "/_weft/v1/connections/"+about.Connection, ann, body)
				return fmt.Sprint(resp.StatusCode, " ", got)
			}
			if got := patch(`{"subscribe":["presence.bob"]}`); !strings.Contains(got, `"user.ann","presence.bob"`) {
				t.Errorf("PATCH answers %s", got)
			}
			if h := sse.next(); h.typ != wire.TypePresence || !strings.Contains(h.data, `"user":"bob"`) {
				t.Errorf("heard %+v", h)
			}
			if got := patch(`{"subscribe":["presence.eve"]}`); !strings.HasPrefix(got, "403 ") {
				t.Errorf("PATCH answers %s", got)
			}
			if got := patch(`{"subscribe":["presence.*"]}`); !strings.HasPrefix(got, "400 ") || !strings.Contains(got, "bad_subject") {
				t.Errorf("PATCH answers %s", got)
			}
			if got := patch(`{"unsubscribe":["presence.bob"]}`); !strings.HasPrefix(got, "200 ") || strings.Contains(got, "presence") {
				t.Errorf("PATCH answers %s", got)
			}
			var many []string
			for n := range session.MaxSubjects {
				many = append(many, fmt.Sprintf("presence.topic.hotel.%d", n))
			}
			body, _ := json.Marshal(map[string]any{"subscribe": many})
			if got := patch(string(body)); !strings.HasPrefix(got, "200 ") {
				t.Errorf("PATCH answers %.100s", got)
			}
			if got := patch(`{"subscribe":["presence.bob"]}`); !strings.HasPrefix(got, "400 ") {
				t.Errorf("one more than %d: PATCH answers %.100s", session.MaxSubjects, got)
			}
		})
	}
}
