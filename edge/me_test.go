package edge_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"weft/edge"
	"weft/edge/auth"
	"weft/jetstream"
)

const pathMe = "/_weft/v1/me"

// me is what GET /_weft/v1/me answers.
type me struct {
	User, Session             string
	Expires                   time.Time
	Subscribe, Allow, Publish []string
	Check                     bool
}

func (s *stack) me(path, token string) (me, *http.Response) {
	s.t.Helper()
	resp, body := s.do("GET", path, token, "")
	var got me
	if resp.StatusCode == http.StatusOK {
		s.must(json.Unmarshal([]byte(body), &got))
	}
	return got, resp
}

func TestWhoAsksIsToldWhatTheirTokenGrants(t *testing.T) {
	t.Parallel()
	s := newStack(t, func(c *edge.Config, _ *jetstream.Config) {
		c.Auth.Privileged = auth.Privileges{{Claim: "/role", AnyOf: []string{"support"}, Allow: []string{"user.*", "topic.hotel.*", "presence.devices"}}}
		c.Public.CORSOrigins = []string{"https://shop.example"}
	})
	end := time.Now().Add(10 * time.Minute).Truncate(time.Second)
	got, resp := s.me(pathMe, s.token("ann", map[string]any{"jti": "s1", "exp": end.Unix(), "role": "support"}))
	if got.User != "ann" || got.Session != "s1" || !got.Expires.Equal(end) || got.Check {
		t.Errorf("got %+v", got)
	}
	if !slices.Equal(got.Subscribe, []string{"user.ann"}) || !slices.Equal(got.Publish, []string{"topic.hotel.*"}) ||
		!slices.Equal(got.Allow, []string{"topic.hotel.*", "topic.own.ann", "user.*", "presence.devices"}) {
		t.Errorf("grants are %+v", got)
	}
	if h := resp.Header; h.Get("Cache-Control") != "no-store" || h.Get("Content-Type") != "application/json" {
		t.Errorf("header is %v", h)
	}
	if got, _ := s.me(pathMe, ""); got.User != "" || got.Subscribe == nil || got.Publish == nil || !slices.Equal(got.Allow, []string{"topic.hotel.lobby"}) {
		t.Errorf("a visitor gets %+v", got)
	}
	if resp, _ := s.do("OPTIONS", pathMe, "", "", "Origin", "https://shop.example", "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "authorization"); resp.Header.Get("Access-Control-Allow-Origin") != "https://shop.example" {
		t.Errorf("a page of a permitted origin gets %v", resp.Header)
	}
	for _, method := range []string{"POST", "DELETE", "HEAD"} {
		if resp, _ := s.do(method, pathMe, s.token("ann", nil), ""); resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET" {
			t.Errorf("%s answers %d", method, resp.StatusCode)
		}
	}
}

func TestWhoIsNobodyIsToldNothingOfGrants(t *testing.T) {
	t.Parallel()
	s := newStack(t, func(c *edge.Config, _ *jetstream.Config) { c.Auth.Anonymous.Allow = nil })
	if _, resp := s.me(pathMe, ""); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %d", resp.StatusCode)
	}
	if _, resp := s.me(pathMe, s.token("ann", map[string]any{"exp": time.Now().Add(-time.Second).Unix()})); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("with one that has expired: %d", resp.StatusCode)
	}
	token := s.token("ann", map[string]any{"jti": "gone"})
	s.must(s.node.Blacklist().Put(t.Context(), "gone", "", time.Hour))
	s.eventually("the session is revoked", func() bool { _, resp := s.me(pathMe, token); return resp.StatusCode == http.StatusForbidden })
}
