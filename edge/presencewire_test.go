package edge_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"weft/edge/transport"
	"weft/edge/wire"
)

// A state is a frame of Weft's own in every format.
func TestPresenceIsToldInTheFormatOfItsConnection(t *testing.T) {
	t.Parallel()
	s := newStack(t, withPresence)
	want := state("topic", "hotel.lobby", 0)
	for _, c := range []struct{ kind, format, typ string }{
		{transport.SSE, "payload", wire.TypePresence}, {transport.SSE, "frame", ""}, {transport.SSE, "cloudevents", ""},
		{transport.WebSocket, "payload", wire.TypePresence}, {transport.WebSocket, "frame", wire.TypePresence}, {transport.WebSocket, "cloudevents", wire.TypePresence},
	} {
		client := s.connect(c.kind, visitor{query: params("subject", "presence.topic.hotel.lobby", "format", c.format)})
		client.any() // weft.open
		h := client.any()
		for h.typ == wire.TypeKeepalive || strings.Contains(h.data, wire.TypeKeepalive) {
			h = client.any()
		}
		if h.typ != c.typ {
			t.Errorf("%s, %s: told as %q: %+v", c.kind, c.format, h.typ, h)
		}
		frame := h.frame
		if c.kind == transport.SSE && c.format != "payload" {
			if h.id != "" {
				t.Errorf("%s, %s: it has the id %s", c.kind, c.format, h.id)
			}
			h = parseFrame([]byte(h.data))
			frame = h.frame
		}
		if h.typ != wire.TypePresence || h.data != want {
			t.Errorf("%s, %s: told %+v", c.kind, c.format, h)
		}
		if c.format == "cloudevents" && (string(frame["specversion"]) != `"1.0"` || string(frame["source"]) != `"/weft"` || frame["id"] == nil) {
			t.Errorf("%s: as a CloudEvent it is %v", c.kind, frame)
		}
	}
}

// Who follows presence alone may follow events later, and let them go again.
func TestAConnectionOfPresenceAloneMayFollowEventsLater(t *testing.T) {
	t.Parallel()
	s := newStack(t, withPresence)
	c := s.connect(transport.WebSocket, visitor{query: params("subject", "presence.topic.hotel.lobby")})
	place := c.opened().id
	c.told(state("topic", "hotel.lobby", 0))
	missed := s.store("topic.hotel.lobby", "", []byte(`1`))
	hears := func(command string, want ...string) {
		t.Helper()
		s.must(c.socket.WriteMessage(1, []byte(command)))
		for len(want) > 0 {
			h := c.next()
			got := h.data
			if h.frame["ok"] != nil {
				got = "ok"
			}
			i := slices.Index(want, got)
			if i < 0 {
				t.Fatalf("heard %+v, want %q", h, want)
			}
			want = slices.Delete(want, i, i+1)
		}
	}
	hears(`{"subscribe":["topic.hotel.lobby"],"last_event_id":"`+place+`"}`, "ok", "1", state("topic", "hotel.lobby", 1))
	live := s.store("topic.hotel.lobby", "", []byte(`2`))
	c.next().want(t, c.kind, live, "", `2`)
	hears(`{"unsubscribe":["topic.hotel.lobby"]}`, "ok", state("topic", "hotel.lobby", 0))
	s.store("topic.hotel.lobby", "", []byte(`3`))
	last := s.store("topic.hotel.lobby", "", []byte(`4`))
	hears(`{"subscribe":["topic.hotel.lobby"],"last_event_id":"`+live+`"}`, "ok", "3", "4", state("topic", "hotel.lobby", 1))
	if missed == "" || last == "" {
		t.Error("events have no ids")
	}
}

// polled is the answer to a poll of somebody who follows presence.
type polled struct {
	Events     []json.RawMessage
	LastID     string `json:"last_event_id"`
	Presence   []json.RawMessage
	PresenceID string `json:"presence_id"`
}

func (s *stack) poll(token string, pairs ...string) (p polled, took time.Duration) {
	s.t.Helper()
	begun := time.Now()
	resp, body := s.do("GET", pathEvents+"?"+params(pairs...).Encode(), token, "")
	if resp.StatusCode != http.StatusOK {
		s.t.Fatalf("a poll is answered %d %s", resp.StatusCode, body)
	}
	s.must(json.Unmarshal([]byte(body), &p))
	return p, time.Since(begun)
}

// A poll waits while its client has the present states, is answered by a change and by
// events, and says in every answer what is.
func TestAPollIsAnsweredByAChangeOfPresence(t *testing.T) {
	t.Parallel()
	for _, p := range plainPaths {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := newStackOn(t, p, withPresence)
			ann, of := s.token("ann", nil), []string{"subject", "presence.bob"}
			first, _ := s.poll(ann, append(of, "wait", "60s")...)
			if len(first.Presence) != 1 || string(first.Presence[0]) != state("user", "bob", 0) || first.LastID == "" {
				t.Fatalf("the first answer: %+v", first)
			}
			of = append(of, "last_event_id", first.LastID)
			if waited, took := s.poll(ann, append(of, "presence", first.PresenceID, "wait", "300ms")...); took < 300*time.Millisecond || waited.PresenceID != first.PresenceID || len(waited.Presence) != 1 {
				t.Errorf("after %v: %+v", took, waited)
			}
			if other, took := s.poll(ann, append(of, "presence", "x", "wait", "60s")...); took > 30*time.Second || other.PresenceID != first.PresenceID {
				t.Errorf("after %v: %+v", took, other)
			}
			if payload, _ := s.poll(ann, append(of, "wait", "0s", "format", "payload")...); len(payload.Presence) != 1 {
				t.Errorf("of payloads: %+v", payload)
			}
			var waiting sync.WaitGroup
			var changed polled
			waiting.Go(func() { changed, _ = s.poll(ann, append(of, "presence", first.PresenceID, "wait", "60s")...) })
			s.connect(transport.SSE, visitor{token: s.token("bob", nil)}).opened()
			waiting.Wait()
			if len(changed.Presence) != 1 || string(changed.Presence[0]) != state("user", "bob", 1) || changed.PresenceID == first.PresenceID {
				t.Errorf("after a change: %+v", changed)
			}
			waiting.Go(func() { changed, _ = s.poll(ann, append(of, "presence", changed.PresenceID, "wait", "60s")...) })
			s.store("user.ann", "", []byte(`1`))
			waiting.Wait()
			if len(changed.Events) != 1 || len(changed.Presence) != 1 {
				t.Errorf("after an event: %+v", changed)
			}
			if plain, _ := s.do("GET", pathEvents+"?wait=0s", ann, ""); plain.StatusCode != http.StatusOK {
				t.Error("without presence")
			}
		})
	}
}

// Who follows on one node hears of connections to another, by every transport, and a poll
// goes on anywhere with the id of its states.
func TestPresenceIsToldAcrossNodes(t *testing.T) {
	t.Parallel()
	nodes := newClusterOf(t, withPresence)
	followers := []*client{}
	for i, kind := range []string{transport.SSE, transport.WebSocket, transport.Poll} {
		c := nodes[i].connect(kind, visitor{token: nodes[i].token("ann", nil), query: params("subject", "presence.bob", "subject", "presence.topic.hotel.42")})
		c.opened()
		followers = append(followers, c)
	}
	all := func(want string) {
		t.Helper()
		for _, c := range followers {
			c.told(want)
		}
	}
	seen := map[string]bool{}
	for i, s := range nodes {
		one := s.connect(transport.SSE, visitor{token: s.token("bob", nil), query: params("device", fmt.Sprint("d", i+1))})
		one.opened()
		all(state("user", "bob", i+1))
	}
	s := nodes[0]
	c := s.connect(transport.WebSocket, visitor{token: s.token("sue", map[string]any{"role": "support"}), query: params("subject", "presence.bob")})
	c.opened()
	for len(seen) < len(nodes) {
		var data struct {
			Devices []struct{ Node, Device string }
		}
		s.must(json.Unmarshal([]byte(c.next().data), &data))
		for _, d := range data.Devices {
			seen[d.Node+d.Device] = true
		}
	}
	if !seen["n1d1"] || !seen["n2d2"] || !seen["n3d3"] {
		t.Errorf("devices %v", seen)
	}
	var ids []string
	for _, s := range nodes {
		s.eventually("a poll is told all", func() bool {
			p, _ := s.poll(s.token("ann", nil), "subject", "presence.bob")
			if len(p.Presence) != 1 || string(p.Presence[0]) != state("user", "bob", 3) {
				return false
			}
			ids = append(ids, p.PresenceID)
			return true
		})
	}
	if len(slices.Compact(ids)) != 1 {
		t.Errorf("the nodes give the same states the ids %v", ids)
	}
}
