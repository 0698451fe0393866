package edge_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"weft/edge"
	"weft/edge/proxy/upstream"
	"weft/edge/transport"
	"weft/edge/wire"
	"weft/jetstream"
)

// A judge is a back end of auth.check: it says 200 to what is in its list.
type judge struct {
	mu    sync.Mutex
	yes   []string
	down  bool
	asked []string
}

func (j *judge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q struct{ User, Session, Subject, Action string }
	_ = json.NewDecoder(r.Body).Decode(&q)
	j.mu.Lock()
	defer j.mu.Unlock()
	asked := fmt.Sprintf("%s %s %s", q.User, q.Action, q.Subject)
	j.asked = append(j.asked, asked)
	switch {
	case r.Header.Get("X-Key") != "ours":
		w.WriteHeader(http.StatusUnauthorized)
	case j.down:
		w.WriteHeader(http.StatusInternalServerError)
	case !slices.Contains(j.yes, asked):
		w.WriteHeader(http.StatusForbidden)
	}
}

func (j *judge) count() int { j.mu.Lock(); defer j.mu.Unlock(); return len(j.asked) }

func (j *judge) fall(down bool) { j.mu.Lock(); defer j.mu.Unlock(); j.down = down }

// withJudge starts a node that asks one.
func withJudge(t *testing.T, yes ...string) (*stack, *judge) {
	j := &judge{yes: yes}
	server := httptest.NewServer(j)
	t.Cleanup(server.Close)
	return newStack(t, func(c *edge.Config, _ *jetstream.Config) {
		c.Auth.External.URL = server.URL
		c.Upstreams = []upstream.Config{{Match: server.URL, Headers: map[string]string{"X-Key": "ours"}}}
	}), j
}

func TestTheBackEndIsAskedOnEveryTransportAndNeverForAnEvent(t *testing.T) {
	t.Parallel()
	s, j := withJudge(t, "ann subscribe topic.asked.a", "ann subscribe topic.asked.b")
	token := s.token("ann", nil)
	var clients []*client
	for _, kind := range allKinds() {
		refused := s.connect(kind, visitor{token: token, query: params("subject", "topic.asked.no")}).next()
		if refused.status != http.StatusForbidden || refused.problem != "forbidden" {
			t.Errorf("%s: a no is %+v", kind, refused)
		}
		wild := s.connect(kind, visitor{token: token, query: params("subject", "topic.asked.*")}).next()
		if wild.status != http.StatusForbidden {
			t.Errorf("%s: a wildcard is %+v", kind, wild)
		}
		stranger := s.connect(kind, visitor{query: params("subject", "topic.asked.a")}).next()
		if stranger.status != http.StatusForbidden {
			t.Errorf("%s: a visitor is %+v", kind, stranger)
		}
		c := s.connect(kind, visitor{token: token, query: params("subject", "topic.asked.a")})
		c.opened()
		clients = append(clients, c)
	}
	before := j.count()
	for range 20 {
		s.store("topic.asked.a", "", []byte(`1`))
	}
	for _, c := range clients {
		for range 20 {
			if h := c.next(); h.data != "1" {
				t.Errorf("%s: heard %+v", c.kind, h)
			}
		}
	}
	if got := j.count(); got != before || before != 2 { // one yes, one no
		t.Errorf("it was asked %d times, and %d after twenty events: %v", before, got, j.asked)
	}
}

func TestTheBackEndIsAskedAboutChangesAndPublications(t *testing.T) {
	t.Parallel()
	s, j := withJudge(t, "ann subscribe topic.asked.a", "ann subscribe presence.topic.asked.a", "ann publish topic.asked.a")
	token := s.token("ann", nil)
	socket := s.connect(transport.WebSocket, visitor{token: token})
	socket.opened()
	socket.wantError(`{"ref":1,"subscribe":["topic.asked.a","topic.asked.b"]}`, "1", "forbidden")
	socket.wantOK(`{"ref":2,"subscribe":["topic.asked.a"]}`, "2")
	socket.wantError(`{"ref":3,"publish":{"subject":"topic.asked.b","data":1}}`, "3", "forbidden")
	stream := s.connect(transport.SSE, visitor{token: token})
	var opened struct{ Connection string }
	s.must(json.Unmarshal([]byte(stream.opened().data), &opened))
	patch := func(body string) int {
		resp, _ := s.do("PATCH", pathConnections+opened.Connection, token, body)
		return resp.StatusCode
	}
	if got := patch(`{"subscribe":["topic.asked.b"]}`); got != http.StatusForbidden {
		t.Errorf("PATCH to what is refused: %d", got)
	}
	if got := patch(`{"subscribe":["topic.asked.a"]}`); got != http.StatusOK {
		t.Errorf("PATCH to what is allowed: %d", got)
	}
	publish := func(sub string) int {
		resp, _ := s.do("POST", pathEvents+"?subject="+sub, token, "7")
		return resp.StatusCode
	}
	if got := publish("topic.asked.b"); got != http.StatusForbidden {
		t.Errorf("POST to what is refused: %d", got)
	}
	if got := publish("topic.asked.a"); got != http.StatusAccepted {
		t.Errorf("POST to what is allowed: %d", got)
	}
	if h := stream.next(); h.data != "7" {
		t.Errorf("heard %+v", h)
	}
	if got, _ := s.me(pathMe, token); !got.Check || slices.Contains(got.Allow, "topic.asked.a") {
		t.Errorf("who asks is told %+v", got)
	}
	if got, _ := s.me(pathMe, ""); got.Check {
		t.Errorf("a visitor is told %+v", got)
	}
	j.fall(true)
	if got := publish("topic.asked.down"); got != http.StatusServiceUnavailable {
		t.Errorf("POST when nobody can be asked: %d", got)
	}
}

// A browser that heard 403 would never come back.
func TestWhoCannotBeAskedAboutIsToldToComeBack(t *testing.T) {
	t.Parallel()
	s, j := withJudge(t, "ann subscribe topic.asked.a")
	j.fall(true)
	token := s.token("ann", nil)
	for _, kind := range allKinds() {
		last := s.connect(kind, visitor{token: token, query: params("subject", "topic.asked.a")}).ended()
		told := strings.Contains(last.data, `"reason":"not_ready"`) && strings.Contains(last.data, `"reconnect":true`)
		if kind == transport.Poll {
			told = last.status == http.StatusServiceUnavailable && last.problem == "not_ready"
		}
		if !told {
			t.Errorf("%s: told %+v", kind, last)
		}
	}
	j.fall(false)
	s.connect(transport.SSE, visitor{token: token, query: params("subject", "topic.asked.a")}).opened()
	if got := s.metric("weft_edge_connections"); got > 1 {
		t.Errorf("%v connections are counted", got)
	}
}

func TestARevokedTokenIsCutWhateverTheBackEndHasSaid(t *testing.T) {
	t.Parallel()
	s, j := withJudge(t, "ann subscribe topic.asked.a")
	token := s.token("ann", map[string]any{"jti": "lost"})
	c := s.connect(transport.SSE, visitor{token: token, query: params("subject", "topic.asked.a")})
	c.opened()
	s.must(s.node.Blacklist().Put(t.Context(), "lost", "", 0))
	if last := c.ended(); !strings.Contains(last.data, `"reason":"revoked"`) {
		t.Errorf("told %+v", last)
	}
	asked := j.count()
	if h := s.connect(transport.SSE, visitor{token: token, query: params("subject", "topic.asked.a")}).next(); h.problem != "token_revoked" {
		t.Errorf("who comes again is told %+v", h)
	}
	if j.count() != asked {
		t.Error("it was asked about a token that is revoked")
	}
}

func TestARefreshedTokenIsAskedAboutAnew(t *testing.T) {
	t.Parallel()
	s, j := withJudge(t, "ann subscribe topic.asked.a", "ann subscribe topic.asked.b")
	c := s.connect(transport.WebSocket, visitor{token: s.token("ann", nil), query: params("subject", "topic.asked.a", "subject", "topic.asked.b")})
	c.opened()
	j.fall(true)
	c.wantError(`{"ref":1,"token":"`+s.token("ann", nil)+`"}`, "1", "not_ready")
	s.store("topic.asked.a", "", []byte(`1`))
	if h := c.next(); h.data != "1" {
		t.Errorf("after a refresh that could not be asked about: %+v", h)
	}
	j.fall(false)
	j.mu.Lock()
	j.yes = []string{"ann subscribe topic.asked.b"}
	j.mu.Unlock()
	c.say(`{"ref":2,"token":"` + s.token("ann", nil) + `"}`)
	if h := c.next(); h.typ != wire.TypeUnsubscribed || !strings.Contains(h.data, `["topic.asked.a"]`) {
		t.Errorf("told %+v", h)
	}
	if ok, code := c.reply("2"); !ok {
		t.Errorf("the refresh fails with %s", code)
	}
	s.store("topic.asked.a", "", []byte(`2`))
	s.store("topic.asked.b", "", []byte(`3`))
	if h := c.next(); h.data != "3" {
		t.Errorf("heard %+v", h)
	}
}
