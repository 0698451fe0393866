package edge_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"weft/config/testkit/slow"
	"weft/edge"
	"weft/edge/transport"
	"weft/edge/wire"
	"weft/jetstream"
	"weft/jetstream/feed"
)

// anyTopic lets every token follow all topics.
// anyTopic leaves a client 13s until it must be heard: 20 wildcards take their time on a
// slow machine.
func anyTopic(c *edge.Config, _ *jetstream.Config) {
	c.Auth.Allow, c.Public.Keepalive = []string{"topic.>"}, 2*time.Second
}

func wildcards(of string, n int) url.Values {
	v := url.Values{}
	for i := range n {
		v.Add("subject", fmt.Sprintf("topic.%s%d.*", of, i))
	}
	return v
}

// wantLimit expects a visitor to be told that a limit is reached.
func (s *stack) wantLimit(kind string, v visitor) {
	s.t.Helper()
	last := s.connect(kind, v).ended()
	switch {
	case kind == transport.Poll && (last.status != 429 || last.problem != "limit"),
		kind != transport.Poll && (last.typ != wire.TypeClose || !strings.Contains(last.data, `"reason":"limit","reconnect":true`)),
		kind == transport.WebSocket && last.code != 4429:
		s.t.Errorf("one wildcard too many hears %+v", last)
	}
}

// fillWildcards opens connections that together follow n wildcards of a user.
func (s *stack) fillWildcards(user string, n int) {
	s.t.Helper()
	for i := 0; i < n; i += feed.MaxWildcards {
		of := fmt.Sprintf("%s%dx", user, i)
		s.connect(transport.SSE, visitor{token: s.token(user, nil), query: wildcards(of, min(feed.MaxWildcards, n-i))}).opened()
	}
}

func caseWildcards(t *testing.T, s *stack, kind string) {
	ann, bob := s.token("ann", nil), s.token("bob", nil)
	s.wantLimit(kind, visitor{token: ann, query: wildcards("a", feed.MaxWildcards+1)})
	s.fillWildcards("ann", 32)
	s.wantLimit(kind, visitor{token: ann, query: wildcards("more", 1)})
	s.connect(kind, visitor{token: ann, query: wildcards("ann0x", 2)}).opened() // she follows those
	s.connect(kind, visitor{token: bob, query: wildcards("more", 1)}).opened()
	if kind == transport.Poll {
		resp, _ := s.do("GET", pathEvents+"?"+wildcards("more", 1).Encode(), ann, "")
		if resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" {
			t.Errorf("a poll is answered %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
		}
	}
}

func caseAllWildcards(t *testing.T, s *stack, kind string) {
	s.fillWildcards("ann", 32)
	s.fillWildcards("eve", 32)
	bob := s.token("bob", nil)
	s.wantLimit(kind, visitor{token: bob, query: wildcards("more", 1)})
	s.connect(kind, visitor{token: bob, query: wildcards("eve0x", 1)}).opened()
}

// Who has no user shares with all others who have none.
func TestVisitorsWithoutAUserShareTheirWildcards(t *testing.T) {
	t.Parallel()
	s := newStack(t, func(c *edge.Config, _ *jetstream.Config) {
		c.Auth.Allow, c.Auth.Anonymous.Allow = []string{"topic.>"}, []string{"topic.>"}
	})
	for i := range 2 {
		s.connect(transport.SSE, visitor{query: wildcards(fmt.Sprint("v", i, "x"), feed.MaxWildcards)}).opened()
	}
	s.wantLimit(transport.SSE, visitor{query: wildcards("more", 1)})
	s.connect(transport.SSE, visitor{token: s.token("ann", nil), query: wildcards("more", 1)}).opened()
}

func TestAWildcardTooManyIsALimitLaterToo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		before func(s *stack)
		more   int // of ten that the connection has
	}{
		{"of the connection", func(*stack) {}, feed.MaxWildcards - 9},
		{"of the user", func(s *stack) { s.fillWildcards("ann", 20) }, 3},
		{"of the node", func(s *stack) { s.fillWildcards("eve", 32); s.fillWildcards("bob", 20) }, 3},
	} {
		for _, p := range slow.First(plainPaths) {
			t.Run(c.name+"/"+p.name, func(t *testing.T) {
				t.Parallel()
				s := newStackOn(t, p, anyTopic)
				c.before(s)
				token := s.token("ann", nil)
				q := wildcards("mine", 10)
				socket := s.connect(transport.WebSocket, visitor{token: token, query: q})
				socket.opened()
				stream := s.connect(transport.SSE, visitor{token: token, query: q})
				var about struct{ Connection string }
				s.must(json.Unmarshal([]byte(stream.opened().data), &about))

				body, err := json.Marshal(map[string][]string{"subscribe": wildcards("more", c.more)["subject"]})
				s.must(err)
				s.must(socket.socket.WriteMessage(1, body))
				if h := socket.next(); !strings.Contains(string(h.frame["error"]), `"code":"limit"`) {
					t.Errorf("WebSocket: %+v", h)
				}
				resp, said := s.do("PATCH", "/_weft/v1/connections/"+about.Connection, token, string(body))
				if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" || !strings.Contains(said, `"limit"`) {
					t.Errorf("PATCH: %d %s, Retry-After %q", resp.StatusCode, said, resp.Header.Get("Retry-After"))
				}
				// Nothing has changed, and fewer fit.
				body, err = json.Marshal(map[string][]string{"unsubscribe": wildcards("mine", 4)["subject"]})
				s.must(err)
				resp, said = s.do("PATCH", "/_weft/v1/connections/"+about.Connection, token, string(body))
				if resp.StatusCode != 200 || strings.Count(said, "topic.") != 6 {
					t.Errorf("unsubscribe: %d %s", resp.StatusCode, said)
				}
				id := s.store("topic.mine7.x", "", []byte(`1`))
				if h := stream.next(); h.data != `1` {
					t.Errorf("heard %+v, want event %s", h, id)
				}
			})
		}
	}
}
