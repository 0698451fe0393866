package edge_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"weft/edge"
	"weft/edge/auth"
	"weft/edge/transport"
	"weft/jetstream"
)

// TestAnUnknownParameterIsRefused on every endpoint of both listeners: with what it
// was meant for, if something is near.
func TestAnUnknownParameterIsRefused(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	for _, c := range []struct{ method, path, meant string }{
		{"GET", pathEvents + "?subjects=topic.hotel.1", "subject"},
		{"GET", pathEvents + "?Subject=topic.hotel.1", "subject"},
		{"GET", pathEvents + "?tpye=a", "type"},
		{"GET", pathEvents + "?lasteventid=x", "last_event_id"},
		{"GET", pathEvents + "?sinc=1h", "since"},
		{"GET", pathEvents + "?cache-buster=1", ""},
		{"GET", pathEvents + "?user=ann", "auth.mode none"}, // it says when it is taken
		{"GET", pathEvents + "?access_token=x", "public.token_in_query"},
		{"POST", pathEvents + "?subject=topic.hotel.1&typ=x", "type"},
		{"POST", pathEvents + "?subject=topic.hotel.1&publisher=ann", "auth.mode"},
		{"POST", pathEvents + "?topic=hotel.1", ""},
		{"PATCH", pathConnections + "x?subject=topic.hotel.1", ""},
		{"GET", "/_weft/v1/me?subject=topic.hotel.1", ""},
		{"GET", "admin:/healthz?x=1", ""},
		{"GET", "admin:/readyz?x=1", ""},
		{"GET", "admin:/metrics?name=weft", "name[]"},
		{"POST", "admin:" + pathEvents + "?usr=ann", "user"},
		{"GET", "admin:/_weft/v1/users?Limit=1", "limit"},
		{"GET", "admin:/_weft/v1/users/ann?after=x", ""},
		{"DELETE", "admin:/_weft/v1/users/ann/connections?revok=true", "revoke"},
		{"DELETE", "admin:/_weft/v1/users/ann/connections?reconect=true", "reconnect"},
		{"GET", "admin:/_weft/v1/topics/hotel?limits=1", "limit"},
		{"GET", "admin:/_weft/v1/blacklist?afer=x", "after"},
		{"GET", "admin:/_weft/v1/blacklist/s1?ttl=1h", ""},
		{"PUT", "admin:/_weft/v1/blacklist/s1?tl=1h", "ttl"},
		{"DELETE", "admin:/_weft/v1/blacklist/s1?force=true", ""},
		{"GET", "admin:/_weft/v1/nodes?json=1", ""},
		{"DELETE", "admin:/_weft/v1/nodes/n2?force=true", ""},
		{"GET", "admin:/_weft/v1/export?bucket=routes", ""},
		{"POST", "admin:/_weft/v1/import?first-line=1", "first_line"},
		{"POST", "admin:/_weft/v1/drain?now=true", ""},
	} {
		resp, body := s.do(c.method, c.path, s.token("ann", nil), "")
		var p struct{ Code, Detail string }
		if resp.StatusCode != http.StatusBadRequest || json.Unmarshal([]byte(body), &p) != nil || p.Code != "bad_request" {
			t.Errorf("%s %s answers %d %s", c.method, c.path, resp.StatusCode, body)
			continue
		}
		if !strings.Contains(p.Detail, c.meant) {
			t.Errorf("%s %s: %s, want %s in it", c.method, c.path, p.Detail, c.meant)
		}
	}
	if s.drains.Load() != 0 {
		t.Error("the node was drained")
	}
	if resp, body := s.do("GET", "admin:/metrics?name[]=weft_edge_connections", "", ""); resp.StatusCode != 200 || !strings.Contains(body, "weft_edge_connections") {
		t.Errorf("some metrics: %d %s", resp.StatusCode, body)
	}
}

// TestAnIDIsTakenUnderEachOfItsNames so that no event is missed, whatever the
// client library calls it.
func TestAnIDIsTakenUnderEachOfItsNames(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	token := s.token("ann", nil)
	first := s.store("user.ann", "", []byte(`1`))
	s.store("user.ann", "", []byte(`2`))
	for _, name := range []string{"last_event_id", "lastEventId", "Last-Event-ID"} {
		for _, kind := range []string{transport.SSE, transport.WebSocket} {
			c := s.connect(kind, visitor{token: token, query: params(name, first)})
			c.opened()
			if h := c.next(); h.data != `2` {
				t.Errorf("%s, %s: heard %+v", kind, name, h)
			}
			c.close()
		}
		if _, body := s.do("GET", pathEvents+"?"+name+"="+first, token, ""); !strings.Contains(body, `"data":2`) {
			t.Errorf("poll, %s: %s", name, body)
		}
	}
	for query, want := range map[string]int{
		"?lastEventId=" + first + "&last_event_id=" + first: 200, "?lastEventId=" + first + "&last_event_id=other": 400,
		"?lastEventId=a&lastEventId=b": 400,
	} {
		if resp, body := s.do("GET", pathEvents+query, token, ""); resp.StatusCode != want {
			t.Errorf("%s answers %d %s", query, resp.StatusCode, body)
		}
	}
}

func TestParametersThatAConfigurationAllows(t *testing.T) {
	t.Parallel()
	s := newStack(t, func(c *edge.Config, _ *jetstream.Config) {
		c.Public.TokenInQuery = true
	})
	if resp, body := s.do("GET", pathEvents+"?access_token="+s.token("ann", nil), "", ""); resp.StatusCode != 200 {
		t.Errorf("a token in the query: %d %s", resp.StatusCode, body)
	}
	if resp, body := s.do("POST", pathEvents+"?subject=topic.hotel.1&type=a&access_token="+s.token("ann", nil), "", "1"); resp.StatusCode != 202 {
		t.Errorf("a token in the query of a POST: %d %s", resp.StatusCode, body)
	}
	open := newStack(t, func(c *edge.Config, _ *jetstream.Config) { c.Auth.Mode = auth.ModeNone })
	for _, path := range []string{"?user=ann", "?user=ann&wait=0s&format=frame&type=a&type=b&subject=topic.hotel.1"} {
		if resp, body := open.do("GET", pathEvents+path, "", ""); resp.StatusCode != 200 {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
}
