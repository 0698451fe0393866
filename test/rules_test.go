package test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"weft/config/testkit/waitfor"
	"weft/test/client"
	"weft/test/stage"
)

// ruled are the settings of a node with a rule whose users are configured.
func ruled(t *testing.T) stage.Config {
	return stage.Settings(t.TempDir()).
		With("auth.publish", []string{"user.{/sub}", "topic.shop.*"}).
		With("auth.allow", []string{"topic.shop.*"}).
		With("node.users", []any{map[string]any{"name": "shop", "password": "pw", "role": "publisher"},
			map[string]any{"name": "ops", "password": "pw", "role": "operator"},
			map[string]any{"name": "svc", "password": "pw", "role": "service"}}).
		With("ingest.rules", []any{
			map[string]any{"name": "orders", "to": []string{"user.{/customer/id}", "topic.shop.{/shop}"}, "type": "order.{/state}"},
		})
}

// A back end says what has happened, and a rule whom it is for: at both listeners and at the
// NATS port, each with its own say in who may.
func TestARuleSaysWhomAnEventIsFor(t *testing.T) {
	t.Parallel()
	node := stage.StartNode(t, ruled(t))
	ann := record(t, client.WebSocket, client.Target{URL: node.URL(), Token: stage.Token(t, "ann", nil), Query: url.Values{"subject": {"topic.shop.a=20b"}}})
	shop := dialAs(t, node, "shop", nil)
	const order = `{"customer":{"id":"ann"},"shop":"a b","state":"paid"}`
	token := map[string]string{"Authorization": "Bearer " + stage.Token(t, "ann", nil), "Content-Type": "application/json"}
	rule := url.Values{"rule": {"orders"}}
	arrived := 0
	arrives := func(by string, ids []string) {
		t.Helper()
		events := awaitEvents(t, ann, arrived+2)[arrived:]
		arrived += 2
		var got []string
		for _, e := range events {
			if e.Type != "order.paid" || string(e.Data) != order {
				t.Errorf("%s: %s of type %q", by, e.Data, e.Type)
			}
			got = append(got, e.EventID)
		}
		slices.Sort(got)
		slices.Sort(ids)
		if !slices.Equal(got, ids) {
			t.Errorf("%s: the events are %q, its publisher was told %q", by, got, ids)
		}
	}
	arrives("admin", post(t, node.AdminURL(), rule, map[string]string{"Content-Type": "application/json"}, []byte(order)).IDs)
	arrives("public", post(t, node.URL(), rule, token, []byte(order)).IDs)
	told := request(t, shop, "in.orders", order)
	arrives("NATS", told.IDs)
	if told.Seq == 0 || !slices.Contains(told.IDs, told.ID) || told.Stream != "EVENTS" {
		t.Errorf("told %+v", told)
	}

	// What is refused is stored for nobody, also not for those who could have it.
	for name, c := range map[string]struct {
		query  url.Values
		body   string
		status int
		code   string
		says   string
	}{
		"a user whom the token does not allow": {rule, `{"customer":{"id":["ann","bob"]},"shop":"x"}`, 403, "forbidden", ""},
		"nobody":                               {rule, `{"customer":{}}`, 422, "bad_event", "{/customer/id}"},
		"an object":                            {rule, `{"customer":{"id":"ann"},"shop":{}}`, 422, "bad_event", "{/shop}"},
		"no such rule":                         {url.Values{"rule": {"other"}}, order, 400, "bad_request", "ingest.rules"},
		"a subject as well":                    {url.Values{"rule": {"orders"}, "user": {"ann"}}, order, 400, "bad_request", "rule="},
	} {
		p := post(t, node.URL(), c.query, token, []byte(c.body))
		if p.Status != c.status || p.Problem.Code != c.code || !strings.Contains(p.Problem.Detail, c.says) {
			t.Errorf("%s: %+v", name, p)
		}
	}
	for subject, says := range map[string]string{"in.orders": "{/customer/id}", "in.other": "there is no such rule", "in.orders.x": "there is no such rule"} {
		if told := request(t, shop, subject, `{"customer":{}}`); told.Error.Code != 400 || !strings.Contains(told.Error.Description, says) {
			t.Errorf("%s: told %+v", subject, told)
		}
	}
	arrives("afterwards", post(t, node.AdminURL(), rule, nil, []byte(order)).IDs)
}

// Nobody but who may publish reaches a rule at the NATS port, nobody listens there, and no
// client of the public listener follows it.
func TestARuleIsNoSubjectOfEvents(t *testing.T) {
	t.Parallel()
	node := stage.StartNode(t, ruled(t).With("auth.publish", []string{"user.*", "topic.>"}))
	ann := record(t, client.WebSocket, client.Target{URL: node.URL(), Token: stage.Token(t, "ann", nil)})
	denied := make(chan error, 20)
	heard := make(chan *nats.Msg, 20)
	const order = `{"customer":{"id":"ann"},"state":"paid"}`
	for _, user := range []string{"shop", "ops", "svc"} {
		nc := dialAs(t, node, user, denied)
		for _, s := range []string{"in.>", "in.orders"} {
			if _, err := nc.ChanSubscribe(s, heard); err != nil {
				t.Fatal(err)
			}
		}
	}
	waitfor.True(t, func() bool { return len(denied) == 6 })
	if err := dialAs(t, node, "ops", denied).Publish("in.orders", []byte(order)); err != nil {
		t.Fatal(err)
	}
	waitfor.True(t, func() bool { return len(denied) == 7 })
	admin, public := node.AdminURL(), map[string]string{"Authorization": "Bearer " + stage.Token(t, "ann", nil)}
	for _, p := range []posted{
		post(t, admin, url.Values{"subject": {"in.orders"}}, nil, []byte(order)),
		post(t, node.URL(), url.Values{"subject": {"in.orders"}}, public, []byte(order)),
	} {
		if p.Status != 400 || p.Problem.Code != "bad_subject" {
			t.Errorf("%+v", p)
		}
	}
	if _, err := client.Record(soon(t), client.SSE, client.Target{URL: node.URL(), Token: stage.Token(t, "ann", nil), Query: url.Values{"subject": {"in.orders"}}}); err == nil {
		t.Error("in.orders is followed")
	}
	// Of all this nothing came through but what a publisher says at last.
	told := request(t, dialAs(t, node, "svc", denied), "in.orders", order)
	if e := awaitEvents(t, ann, 1)[0]; e.EventID != told.ID {
		t.Errorf("%+v came through, want %s", e, told.ID)
	}
	if len(heard) > 0 {
		t.Errorf("heard %s", (<-heard).Subject)
	}
}

// dialAs connects as a user of ruled, with an inbox of its own. denied, which may be nil, is
// told what it may not.
func dialAs(t *testing.T, node *stage.Node, user string, denied chan<- error) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect("nats://"+node.NATSAddress(), nats.UserInfo(user, "pw"), nats.CustomInboxPrefix("_INBOX_"+user),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if denied != nil {
				denied <- err
			}
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// publishAck is the answer to a publish at the NATS port.
type publishAck struct {
	Stream string
	Seq    uint64
	ID     string
	IDs    []string
	Error  struct {
		Code        int
		Description string
	}
}

func request(t *testing.T, nc *nats.Conn, subject, data string) (answer publishAck) {
	t.Helper()
	m, err := nc.Request(subject, []byte(data), time.Minute)
	if err != nil {
		t.Fatalf("%s: %v", subject, err)
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		t.Fatalf("%s: %s", subject, m.Data)
	}
	return answer
}
