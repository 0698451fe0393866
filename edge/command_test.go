package edge_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"weft/config/testkit/slow"
	"weft/edge"
	"weft/edge/session"
	"weft/edge/transport"
	"weft/edge/wire"
	"weft/jetstream"
	"weft/jetstream/event"
)

// say sends a text message.
func (c *client) say(message string) {
	c.t.Helper()
	if err := c.socket.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
		c.t.Fatal(err)
	}
}

// reply reads the next frame, which must answer the command with ref.
func (c *client) reply(ref string) (ok bool, code string) {
	c.t.Helper()
	h := c.next()
	if got := string(h.frame["ref"]); got != ref {
		c.t.Fatalf("the reply has ref %q, want %q: %v", got, ref, h)
	}
	var e struct{ Code, Detail string }
	_ = json.Unmarshal(h.frame["error"], &e)
	if (e.Code == "") == (string(h.frame["ok"]) != "true") || e.Code != "" && e.Detail == "" {
		c.t.Fatalf("neither ok nor an error with its sentence: %s %s", h.frame["ok"], h.frame["error"])
	}
	return e.Code == "", e.Code
}

func (c *client) wantOK(message, ref string) {
	c.t.Helper()
	c.say(message)
	if ok, code := c.reply(ref); !ok {
		c.t.Fatalf("%s fails with %s", message, code)
	}
}

func (c *client) wantError(message, ref, want string) {
	c.t.Helper()
	c.say(message)
	if _, code := c.reply(ref); code != want {
		c.t.Errorf("%.100s fails with %q, want %q", message, code, want)
	}
}

func TestASubscriptionIsInForceWhenItIsAnswered(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	c := s.connect(transport.WebSocket, visitor{token: s.token("ann", nil)})
	c.opened()
	missed := s.store("topic.hotel.1", "", []byte(`"before"`))
	c.wantOK(`{"subscribe":["topic.hotel.1"],"ref":7}`, "7")
	s.store("topic.hotel.1", "", []byte(`"live"`))
	if h := c.next(); h.data != `"live"` || h.subject != "topic.hotel.1" {
		t.Fatalf("heard %+v", h)
	}
	c.wantOK(`{"unsubscribe":["topic.hotel.1"]}`, "")
	s.store("topic.hotel.1", "", []byte(`"gone"`))
	c.say(`{"subscribe":["topic.hotel.1","topic.hotel.2"],"last_event_id":"` + missed + `","ref":"again"}`)
	var events, answers []string // history may come before the answer
	for range 3 {
		if h := c.next(); h.frame["ref"] != nil {
			answers = append(answers, string(h.frame["ref"])+string(h.frame["ok"]))
		} else {
			events = append(events, h.data)
		}
	}
	if fmt.Sprint(answers, events) != `["again"true] ["live" "gone"]` {
		t.Errorf("heard %v and %v", answers, events)
	}
}

func TestCommandsThatCannotBeObeyed(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	c := s.connect(transport.WebSocket, visitor{token: s.token("ann", nil)})
	c.opened()
	many, _ := json.Marshal(make([]string, session.MaxSubjects+1))
	for _, m := range []struct{ message, ref, code string }{
		{`{"subscribe":["topic.staff.1"],"ref":1}`, "1", "forbidden"},
		{`{"subscribe":["user.bob"],"ref":2}`, "2", "forbidden"},
		{`{"subscribe":["presence.bob"],"ref":3}`, "3", "forbidden"},
		{`{"subscribe":["presence.topic.hotel.*"],"ref":3}`, "3", "bad_subject"},
		{`{"subscribe":["topic.hotel.1","topic.hotel.1"],"ref":4}`, "4", "bad_request"},
		{`{"subscribe":` + string(many) + `}`, "", "bad_request"},
		{`{"unsubscribe":["user.ann"]}`, "", "bad_subject"},
		{`{"frobnicate":1,"ref":5}`, "5", "bad_request"},
		{`{"ref":6}`, "6", "bad_request"},
		{`{}`, "", "bad_request"},
		{`[1]`, "", "bad_request"},
		{`{"ref":{"a":1},"subscribe":["topic.hotel.1"]}`, "", "bad_request"},
		{`{"ref":"` + strings.Repeat("x", 300) + `","subscribe":["topic.hotel.1"]}`, "", "bad_request"},
		{`{"subscribe":["topic.hotel.1"]} {"x":1}`, "", "bad_request"},
		{`not json`, "", "bad_request"},
		{``, "", "bad_request"},
		{strings.Repeat("[", 100_000), "", "bad_request"},
		{`{"token":"x.y.z","ref":8}`, "8", "token_invalid"},
		{`{"token":"` + s.token("bob", nil) + `","ref":9}`, "9", "user_mismatch"},
		{`{"publish":{"subject":"user.bob","data":1},"ref":10}`, "10", "forbidden"},
		{`{"publish":{"subject":"topic.hotel.1","data":1,"data_base64":"AA=="},"ref":11}`, "11", "bad_request"},
		{`{"publish":{"subject":"topic.hotel.1","data_base64":"?"},"ref":12}`, "12", "bad_request"},
		{`{"publish":{"subject":"topic.hotel.1"},"subscribe":["topic.hotel.1"],"ref":13}`, "13", "bad_request"},
	} {
		c.wantError(m.message, m.ref, m.code)
	}
	s.must(c.socket.WriteMessage(websocket.BinaryMessage, []byte(`{"subscribe":["topic.hotel.1"]}`)))
	if _, code := c.reply(""); code != "bad_request" {
		t.Errorf("a binary message fails with %q", code)
	}
	// After all that the connection is as good as before.
	id := s.store("user.ann", "", []byte(`1`))
	c.next().want(t, transport.WebSocket, id, "", `1`)
}

func TestAMessageThatIsTooLargeEndsTheConnection(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	c := s.connect(transport.WebSocket, visitor{token: s.token("ann", nil)})
	c.opened()
	c.say(`{"publish":{"subject":"topic.hotel.1","data":"` + strings.Repeat("x", transport.MaxMessage) + `"}}`)
	if last := c.ended(); last.code != websocket.CloseMessageTooBig {
		t.Errorf("ended with %+v", last)
	}
}

func TestAWebSocketClientPublishesWhatItMay(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	c := s.connect(transport.WebSocket, visitor{token: s.token("ann", nil)})
	c.opened()
	bob := s.connect(transport.SSE, visitor{token: s.token("bob", nil), query: params("subject", "topic.hotel.1")})
	bob.opened()
	c.wantOK(`{"publish":{"subject":"topic.hotel.1","type":"chat","data":{"text":"hi"}},"ref":1}`, "1")
	if h := bob.next(); h.typ != "chat" || h.data != `{"text":"hi"}` {
		t.Errorf("bob heard %+v", h)
	}
	c.wantOK(`{"publish":{"subject":"topic.hotel.1","data_base64":"cGxhaW4="}}`, "")
	if h := bob.next(); h.typ != "" || h.data != "plain" {
		t.Errorf("bob heard %+v", h)
	}
	big := strings.Repeat("x", event.MaxBytes-2)
	c.wantOK(`{"publish":{"subject":"topic.hotel.1","data":"`+big+`"}}`, "")
	if h := bob.next(); len(h.data) != event.MaxBytes {
		t.Errorf("bob heard %d bytes", len(h.data))
	}
}

func TestARefreshedTokenCarriesTheConnectionOn(t *testing.T) {
	slow.Test(t, "the end of a token")
	t.Parallel()
	s := newStack(t, nil)
	end := time.Now().Add(2 * time.Second)
	c := s.connect(transport.WebSocket, visitor{token: s.token("ann", map[string]any{"exp": end.Unix(), "extra": "a"}), query: params("subject", "topic.hotel.1")})
	c.opened()
	fresh := s.token("ann", map[string]any{"jti": "fresh"})
	c.say(`{"token":"` + fresh + `","ref":1}`)
	h := c.next()
	for h.typ == "weft.expiring" { // the first token's end is near
		h = c.next()
	}
	if string(h.frame["ref"]) != "1" || string(h.frame["ok"]) != "true" {
		t.Fatalf("the answer is %v", h)
	}
	time.Sleep(time.Until(end.Add(time.Second))) // the first token's end, in real time
	id := s.store("user.ann", "", []byte(`1`))
	if h = c.next(); h.data != `1` || h.id == "" {
		t.Fatalf("after the first token's end heard %+v, want %s", h, id)
	}
	s.must(s.node.Blacklist().Put(t.Context(), "fresh", "", 0))
	c.wantEnd(session.Revoked)
}

func TestATokenThatAllowsLessEndsWhatItDoesNotAllow(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	c := s.connect(transport.WebSocket, visitor{token: s.token("ann", map[string]any{"extra": "a"}), query: params("subject", "topic.extra.a")})
	c.opened()
	c.say(`{"token":"` + s.token("ann", nil) + `","ref":1}`)
	if h := c.next(); h.typ != "weft.unsubscribed" || h.data != `{"subjects":["topic.extra.a"],"reason":"unauthorised"}` {
		t.Fatalf("heard %+v", h)
	}
	h := c.next()
	if string(h.frame["ref"]) != "1" || string(h.frame["subjects"]) != `["user.ann"]` {
		t.Fatalf("the answer is %v", h.frame)
	}
	s.store("topic.extra.a", "", []byte(`"lost"`))
	id := s.store("user.ann", "", []byte(`1`))
	c.next().want(t, transport.WebSocket, id, "", `1`)
}

func TestATokenThatAllowsNothingMoreIsAnsweredAndEndsTheConnection(t *testing.T) {
	t.Parallel()
	s := newStack(t, func(c *edge.Config, _ *jetstream.Config) { c.Auth.Subscribe = []string{"topic.extra.{/extra}"} })
	c := s.connect(transport.WebSocket, visitor{token: s.token("ann", map[string]any{"extra": "a"})})
	c.opened()
	c.say(`{"token":"` + s.token("ann", nil) + `","ref":1}`)
	if h := c.next(); h.typ != "weft.unsubscribed" {
		t.Fatalf("heard %+v", h)
	}
	if ok, code := c.reply("1"); ok || code != "forbidden" {
		t.Errorf("answered %v %q", ok, code)
	}
	c.wantEnd(session.Unauthorised)
}

func TestARevokedTokenCannotRefresh(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	c := s.connect(transport.WebSocket, visitor{token: s.token("ann", nil)})
	c.opened()
	s.must(s.node.Blacklist().Put(t.Context(), "stolen", "", 0))
	s.eventually("the mirror has it", func() bool { return s.node.Blacklist().Revoked("stolen", "ann", time.Now()) })
	c.wantError(`{"token":"`+s.token("ann", map[string]any{"jti": "stolen"})+`","ref":1}`, "1", "token_revoked")
	id := s.store("user.ann", "", []byte(`1`))
	c.next().want(t, transport.WebSocket, id, "", `1`)
}

// Whatever a command asks, and also when the end comes in the middle of them, commands are
// answered in their order, each once.
func TestCommandsAreAnsweredOnceEachUntilTheEnd(t *testing.T) {
	t.Parallel()
	s := newStack(t, grants)
	const commands = 60
	for _, end := range []int{0, 20, 40, commands} { // the token is revoked after so many
		jti := fmt.Sprint("s", end)
		token := s.token("ann", claims{"jti": jti, "may": "a"})
		c := s.connect(transport.WebSocket, visitor{token: token})
		c.opened()
		revoke := func() { _ = s.node.Blacklist().Put(context.Background(), jti, "", 0) }
		for i := range commands {
			if i == end {
				go revoke()
			}
			asked := []string{`"token":"` + token + `"`, `"set":["topic.may.a"]`, `"nonsense":1`}[i%3]
			_ = c.socket.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"ref":%d,%s}`, i, asked)) // it may have ended
		}
		next := 0
		for h := c.next(); h.typ != wire.TypeClose && h.code == 0; h = c.next() {
			if ref := string(h.frame["ref"]); ref != fmt.Sprint(next) {
				t.Fatalf("the answer to command %d is %+v", next, h)
			}
			if next++; next == commands && end == commands {
				go revoke()
			}
		}
		if end == commands && next != commands {
			t.Errorf("%d of %d commands were answered", next, commands)
		}
	}
}

func TestPingsAreAnsweredInOrder(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	c := s.connect(transport.WebSocket, visitor{token: s.token("ann", nil)})
	c.opened()
	if p := c.socket.Subprotocol(); p != "weft.v1" {
		t.Errorf("subprotocol %q", p)
	}
	pongs := make(chan string, 1)
	// The handler runs in the reading goroutine; it is set before a pong can come.
	c.socket.SetPongHandler(func(payload string) error { pongs <- payload; return nil })
	s.must(c.socket.WriteControl(websocket.PingMessage, []byte("are you there"), time.Now().Add(20*time.Second)))
	select {
	case p := <-pongs:
		if p != "are you there" {
			t.Errorf("pong %q", p)
		}
	case <-time.After(20 * time.Second):
		t.Error("no pong")
	}
}
