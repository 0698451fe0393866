package edge_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/config/testkit/slow"
	"weft/edge"
	"weft/edge/session"
	"weft/edge/transport"
	"weft/edge/wire"
	"weft/jetstream"
)

// openKinds are the transports whose connections stay open, and so can be changed.
var openKinds = []string{transport.SSE, transport.WebSocket}

// grants is a configuration in which claims say much.
func grants(c *edge.Config, js *jetstream.Config) {
	js.Events.MaxPerSubject = 1000 // a burst is there for a client that is slow
	c.Auth.Subscribe = []string{"user.{/sub}", "topic.auto.{/auto}"}
	c.Auth.Allow = []string{"topic.may.{/may}", "topic.wild.{/wild}.>"}
	c.Auth.Publish = []string{"topic.may.{/may}"}
}

// TestEveryOpenTransport runs each case over each transport and path that stays open.
func TestEveryOpenTransport(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		change func(c *edge.Config, js *jetstream.Config)
		run    func(t *testing.T, s *stack, kind string)
	}{
		{"a token that allows less ends what it does not allow", grants, caseNarrower},
		{"a token that allows nothing more is answered", func(c *edge.Config, js *jetstream.Config) {
			grants(c, js)
			c.Auth.Subscribe = []string{"topic.auto.{/auto}"}
		}, caseNothingLeft},
		{"nothing of a lost subject follows in a burst", grants, caseBurst},
		{"a subject has types of its own", grants, caseTypes},
		{"a set replaces in one step", grants, caseSet},
	}
	for i, c := range cases {
		on := slow.First(paths)
		if i > 2 { // what a session follows has nothing to do with the path; test/conformance has it on all
			on = on[:1]
		}
		for _, p := range on {
			for _, kind := range openKinds {
				t.Run(strings.ReplaceAll(c.name, " ", "_")+"/"+kind+"/"+p.name, func(t *testing.T) {
					t.Parallel()
					c.run(t, newStackOn(t, p, c.change), kind)
				})
			}
		}
	}
}

// live is an open connection that is changed by the means of its transport.
type live struct {
	*client
	s          *stack
	token      string // of who changes it
	connection string
	before     []heard // what came before an answer, or beside it
}

func (s *stack) live(kind string, v visitor) *live {
	s.t.Helper()
	l := &live{client: s.connect(kind, v), s: s, token: v.token}
	var about struct{ Connection string }
	s.must(json.Unmarshal([]byte(l.opened().data), &about))
	l.connection = about.Connection
	return l
}

// change makes a change and returns the subjects in force, or the code of what is wrong.
func (l *live) change(body string) (subjects, code string) {
	l.t.Helper()
	if l.kind != transport.WebSocket {
		status, got := l.s.patch(l.connection, l.token, body)
		var said struct {
			Subjects json.RawMessage
			Code     string
		}
		if err := json.Unmarshal([]byte(got), &said); err != nil || (status == 200) != (said.Code == "") {
			l.t.Fatalf("%s: %d %s", body, status, got)
		}
		return unescaped(said.Subjects), said.Code
	}
	l.say(`{"ref":"r",` + body[1:])
	for {
		h := l.next()
		if h.frame["ref"] == nil {
			l.before = append(l.before, h)
			continue
		}
		var e struct{ Code string }
		_ = json.Unmarshal(h.frame["error"], &e)
		return unescaped(h.frame["subjects"]), e.Code
	}
}

func unescaped(data []byte) string { return strings.ReplaceAll(string(data), `\u003e`, ">") }

// comes returns what is heard next, an answer's forerunners first.
func (l *live) comes() heard {
	l.t.Helper()
	if len(l.before) > 0 {
		h := l.before[0]
		l.before = l.before[1:]
		return h
	}
	return l.next()
}

func (l *live) want(body, subjects string) {
	l.t.Helper()
	if got, code := l.change(body); got != subjects {
		l.t.Fatalf("%.60s…: %s is in force, want %s (%s)", body, got, subjects, code)
	}
}

func (l *live) wantUnsubscribed(subjects string) {
	l.t.Helper()
	if h := l.comes(); h.typ != wire.TypeUnsubscribed || h.id != "" || unescaped([]byte(h.data)) != `{"subjects":`+subjects+`,"reason":"unauthorised"}` {
		l.t.Fatalf("heard %+v, want that %s are lost", h, subjects)
	}
}

func (l *live) wantData(data string) {
	l.t.Helper()
	if h := l.comes(); h.data != data {
		l.t.Fatalf("heard %+v, want %s", h, data)
	}
}

type claims = map[string]any

func tokenChange(token string) string { return `{"token":"` + token + `"}` }

func caseNarrower(t *testing.T, s *stack, kind string) {
	token := s.token("ann", claims{"may": []string{"a", "b"}, "auto": "x", "wild": "w"})
	l := s.live(kind, visitor{token: token, query: params("subject", "topic.may.a", "subject", "topic.may.b", "subject", "topic.wild.w.>")})
	missed := s.store("topic.auto.y", "", []byte(`"y before"`))
	s.store("topic.auto.y", "", []byte(`"y missed"`))
	// Automatic ones that are new begin, from the id that the change has.
	narrow := s.token("ann", claims{"may": "b", "auto": "y"})
	l.want(`{"token":"`+narrow+`","last_event_id":"`+missed+`"}`, `["user.ann","topic.may.b","topic.auto.y"]`)
	l.wantUnsubscribed(`["topic.auto.x","topic.may.a","topic.wild.w.>"]`)
	l.wantData(`"y missed"`)
	for _, sub := range []string{"topic.auto.x", "topic.may.a", "topic.wild.w.1"} {
		s.store(sub, "", []byte(`"lost"`))
	}
	for _, sub := range []string{"topic.may.b", "topic.auto.y", "user.ann"} {
		s.store(sub, "", []byte(`"`+sub+`"`))
		l.wantData(`"` + sub + `"`)
	}
	// It cannot be had again by the old grants.
	if _, code := l.change(`{"subscribe":["topic.may.a"]}`); code != "forbidden" {
		t.Errorf("what the token in force does not allow: %q", code)
	}
	if kind == transport.WebSocket {
		l.say(`{"ref":1,"publish":{"subject":"topic.may.a","data":1}}`)
		if ok, code := l.reply("1"); ok || code != "forbidden" {
			t.Errorf("publishing what the token in force does not allow: %v %q", ok, code)
		}
	}
	// An older token is a token: who has it could connect with it as well.
	l.want(tokenChange(token), `["user.ann","topic.may.b","topic.auto.x"]`)
	l.wantUnsubscribed(`["topic.auto.y"]`)
	// A change that names what its token does not allow is none, and its token not in force.
	if _, code := l.change(`{"token":"` + narrow + `","subscribe":["topic.may.a"]}`); code != "forbidden" {
		t.Errorf("a change that asks for more than its token allows: %q", code)
	}
	l.want(`{"subscribe":["topic.may.a"]}`, `["user.ann","topic.may.b","topic.auto.x","topic.may.a"]`)
	s.store("topic.may.a", "", []byte(`"again"`))
	l.wantData(`"again"`)
}

func caseNothingLeft(t *testing.T, s *stack, kind string) {
	l := s.live(kind, visitor{token: s.token("ann", claims{"may": "a"}), query: params("subject", "topic.may.a")})
	if subjects, code := l.change(tokenChange(s.token("ann", nil))); code != "forbidden" || subjects != "" {
		t.Errorf("answered %q, %s in force", code, subjects)
	}
	s.store("topic.may.a", "", []byte(`"lost"`))
	l.wantUnsubscribed(`["topic.may.a"]`)
	if h := l.comes(); h.typ != wire.TypeClose || h.data != `{"reason":"unauthorised","reconnect":false}` {
		t.Errorf("heard %+v", h)
	}
}

// A burst is stored and replayed while the token is changed. Whatever was on its way, a
// lost subject is over when the client is told so, and of the other one all comes.
func caseBurst(t *testing.T, s *stack, kind string) {
	const history, burst = 200, 300
	token, narrow := s.token("ann", claims{"may": []string{"a", "b"}}), s.token("ann", claims{"may": "b"})
	from := s.store("topic.other", "", []byte(`0`))
	big := strings.Repeat("x", 2000)
	for n := range history {
		s.store([]string{"topic.may.a", "topic.may.b"}[n%2], "", fmt.Appendf(nil, `"%c %d %s"`, 'a'+n%2, n, big))
	}
	l := s.live(kind, visitor{token: token, query: params("subject", "topic.may.a", "subject", "topic.may.b", "last_event_id", from)})
	stored := make(chan struct{})
	go func() {
		defer close(stored)
		for n := history; n < history+burst; n++ {
			s.store([]string{"topic.may.a", "topic.may.b"}[n%2], "", fmt.Appendf(nil, `"%c %d %s"`, 'a'+n%2, n, big))
		}
	}()
	for range 20 {
		l.comes()
	}
	l.before = nil
	l.want(tokenChange(narrow), `["user.ann","topic.may.b"]`)
	<-stored
	s.store("topic.may.b", "", []byte(`"end"`))
	lost, next := false, 0
	for {
		h := l.comes()
		var what string
		switch {
		case h.typ == wire.TypeUnsubscribed:
			lost = true
			continue
		case h.typ == wire.TypeReset:
			t.Fatalf("history is gone: %+v", h)
		case h.data == `"end"`:
			if !lost {
				t.Error("the client was not told what it has lost")
			}
			return
		}
		n := 0
		if _, err := fmt.Sscanf(h.data, `"%s %d`, &what, &n); err != nil {
			t.Fatalf("heard %.80v", h)
		}
		if what == "a" && lost {
			t.Fatalf("event %d of the lost subject comes after it was told to be lost", n)
		}
		if what == "b" {
			if next != 0 && n != next {
				t.Fatalf("of the subject that is left comes %d, want %d", n, next)
			}
			next = n + 2
		}
	}
}

func caseTypes(t *testing.T, s *stack, kind string) {
	token := s.token("ann", claims{"may": []string{"a", "b"}, "wild": "w"})
	l := s.live(kind, visitor{token: token, query: params("subject", "topic.may.a", "type", "chat", "type", "weather.*")})
	subjects := []string{"topic.may.a", "topic.may.b", "user.ann"}
	heard := func(want ...string) {
		t.Helper()
		for _, sub := range subjects {
			for _, typ := range []string{"chat", "order.paid", ""} {
				s.store(sub, typ, []byte(`"`+sub+` `+typ+`"`))
			}
		}
		s.store("user.ann", "weather.end", []byte(`"end"`))
		var got []string // what wildcards bring has an order of its own
		for range len(want) + 1 {
			got = append(got, strings.Trim(l.comes().data, `"`))
		}
		if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(append(want, "end")))) {
			t.Fatalf("heard %q, want %q", got, want)
		}
	}
	heard("topic.may.a chat", "user.ann chat")
	l.want(`{"subscribe":[{"subject":"topic.may.b","type":["order.*"]},{"subject":"topic.wild.w.>","type":[]}]}`, `["user.ann","topic.may.a","topic.may.b","topic.wild.w.>"]`)
	subjects = append(subjects, "topic.wild.w.1")
	heard("topic.may.a chat", "topic.may.b order.paid", "topic.wild.w.1 chat", "topic.wild.w.1 order.paid", "topic.wild.w.1 ", "user.ann chat")
	// Of what is followed already only the types change; nothing is sent again.
	id := s.store("topic.other", "", []byte(`1`))
	s.store("topic.may.a", "order.paid", []byte(`"not wanted then"`))
	s.store("topic.may.a", "chat", []byte(`"which has come by"`))
	l.wantData(`"which has come by"`)
	l.want(`{"subscribe":[{"subject":"topic.may.a","type":["order.*"]},"topic.may.b",{"subject":"user.ann","type":["weather.end"]}],"last_event_id":"`+id+`"}`,
		`["user.ann","topic.may.a","topic.may.b","topic.wild.w.>"]`)
	l.want(`{"unsubscribe":["topic.wild.w.>"]}`, `["user.ann","topic.may.a","topic.may.b"]`)
	heard("topic.may.a order.paid", "topic.may.b chat")
	for _, bad := range []string{
		`{"subscribe":[{"subject":"topic.may.b","type":["*"]}]}`, `{"subscribe":[{"subject":"topic.may.b","types":["a"]}]}`, `{"subscribe":[{"type":["a"]}]}`,
		`{"subscribe":[{"subject":"topic.may.b","type":"a"}]}`, `{"subscribe":[["topic.may.b"]]}`, `{"subscribe":[null]}`, `{"subscribe":[{"subject":"topic.may.b"},"topic.may.b"]}`,
	} {
		if _, code := l.change(bad); code != "bad_request" && code != "bad_subject" {
			t.Errorf("%s: %q", bad, code)
		}
	}
	heard("topic.may.a order.paid", "topic.may.b chat")
}

// What is followed before and after a set misses nothing and hears nothing twice.
func caseSet(t *testing.T, s *stack, kind string) {
	token := s.token("ann", claims{"may": []string{"a", "b", "c"}})
	l := s.live(kind, visitor{token: token, query: params("subject", "topic.may.a", "subject", "topic.may.b")})
	const events = 200
	stored := make(chan struct{})
	go func() {
		defer close(stored)
		for n := range events {
			s.store("topic.may.b", "", fmt.Appendf(nil, "%d", n))
		}
	}()
	for i := range 20 {
		if i%2 == 0 {
			l.want(`{"set":["topic.may.b","topic.may.c"]}`, `["user.ann","topic.may.b","topic.may.c"]`)
		} else {
			l.want(`{"set":["topic.may.a","topic.may.b","user.ann"]}`, `["user.ann","topic.may.b","topic.may.a"]`)
		}
	}
	<-stored
	for n := range events {
		l.wantData(fmt.Sprint(n))
	}
	for _, bad := range []struct{ body, code string }{
		{`{"set":["topic.may.c","topic.may.d"]}`, "forbidden"}, {`{"set":["topic.may.c"],"subscribe":["topic.may.a"]}`, "bad_request"},
		{`{"set":["topic.may.c"],"unsubscribe":["topic.may.a"]}`, "bad_request"}, {`{"set":["topic.may.c","topic.may.c"]}`, "bad_request"}, {`{"set":"topic.may.c"}`, "bad_request"},
		{`{"set":` + strings.ReplaceAll(fmt.Sprint(strings.Repeat(`"topic.may.c",`, session.MaxSubjects)+`"x"`), " ", "") + `}`, "bad_request"},
	} {
		if kind == transport.WebSocket && strings.HasPrefix(bad.body, `{"set":"`) {
			bad.body = `{"set":1}`
		}
		if subjects, code := l.change(bad.body); kind == transport.SSE && code != bad.code || subjects != "" {
			t.Errorf("%.60s: %q, %s", bad.body, code, subjects)
		}
	}
	s.store("topic.may.a", "", []byte(`"still"`))
	l.wantData(`"still"`)
	l.want(`{"set":[]}`, `["user.ann"]`)
}

func TestTheEndOfATokenIsToldOnceAndAgainAfterARefresh(t *testing.T) {
	slow.Test(t, "the end of a token")
	t.Parallel()
	s := newStack(t, func(c *edge.Config, _ *jetstream.Config) { c.Auth.WarnBefore = 2 * time.Second })
	token := func(life time.Duration) string {
		return s.token("ann", claims{"exp": time.Now().Add(life).Unix(), "jti": fmt.Sprint(life)})
	}
	var all []*live
	for _, kind := range openKinds {
		all = append(all, s.live(kind, visitor{token: token(4 * time.Second)}))
	}
	warned := func() {
		t.Helper()
		for _, l := range all {
			var in struct{ In int }
			if h := l.comes(); h.typ != wire.TypeExpiring || json.Unmarshal([]byte(h.data), &in) != nil || in.In < 1 || in.In > 2 {
				t.Fatalf("heard %+v", h)
			}
		}
	}
	warned()
	for _, l := range all {
		l.token = s.token("ann", nil)
		l.want(tokenChange(token(5*time.Second)), `["user.ann"]`)
	}
	warned()
	for _, l := range all {
		if h := l.comes(); h.typ != wire.TypeClose || h.data != `{"reason":"expired","reconnect":true}` {
			t.Errorf("heard %+v, want the end", h)
		}
	}
}
