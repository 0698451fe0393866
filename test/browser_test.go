package test

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"weft/test/browser"
	"weft/test/client"
	"weft/test/stage"
)

// pageNode starts a node that lets the browser's page in.
func pageNode(t *testing.T, b *browser.Browser, change func(stage.Config)) *stage.Node {
	t.Helper()
	config := stage.Settings(t.TempDir()).With("public.cors_origins", []string{b.Origin})
	if change != nil {
		change(config)
	}
	return stage.StartNode(t, config)
}

func isOpen(all []browser.Entry) bool {
	for _, e := range all {
		if e.What == "open" && e.ID != "" || e.Type == client.TypeOpen {
			return true
		}
	}
	return false
}

func has(n int) func([]browser.Entry) bool {
	return func(all []browser.Entry) bool { return len(browser.Payloads(all)) >= n }
}

// What is put in at any of the three entrances comes out in a real browser over
// all three transports: once, as it was published, under the same id.
func TestEverySourceReachesEveryTransportOfABrowser(t *testing.T) {
	b, k := chromium(t), broker(t)
	orders := topic(t, k, 1)
	node := pageNode(t, b, func(c stage.Config) {
		c.Kafka(k.Address, stage.Source{"topic": orders, "to": []string{"user.{/customer/id}"}, "type": "order.{/state}"})
	})
	tab := b.NewTab(t)
	token := stage.Token(t, "ann", nil)
	conns := map[client.Transport]int{}
	for _, kind := range client.Transports {
		conns[kind] = tab.Open(kind, node.URL(), token, "order.shipped", "greeting")
		tab.Await(conns[kind], "an open connection", isOpen)
	}
	other := b.NewTab(t)
	bob := other.Open(client.SSE, node.URL(), stage.Token(t, "bob", nil), "order.shipped", "greeting")
	other.Await(bob, "an open connection", isOpen)

	sources := []struct {
		name, typ, data string
		send            func(data string)
	}{
		{"Kafka", "order.shipped", `{"customer":{"id":"ann"},"state":"shipped"}`, func(data string) {
			produce(t, k.Address, &kgo.Record{Topic: orders, Value: []byte(data)})
		}},
		{"NATS", "", `{"hello":1}`, func(data string) {
			nc := node.NATS()
			if err := nc.Publish("user.ann", []byte(data)); err != nil {
				t.Fatal(err)
			}
			if err := nc.Flush(); err != nil {
				t.Fatal(err)
			}
		}},
		{"HTTP", "greeting", `{"from":"http"}`, func(data string) {
			publish(t, node, "ann", "greeting", []byte(data))
		}},
	}
	for i, source := range sources {
		source.send(source.data)
		ids := map[string]bool{}
		for _, kind := range client.Transports {
			all := tab.Await(conns[kind], fmt.Sprintf("an event from %s over %s", source.name, kind), has(i+1))
			events := browser.Payloads(all)
			if len(events) != i+1 {
				t.Fatalf("%s, %s: %d events, want %d: %v", source.name, kind, len(events), i+1, events)
			}
			e := events[i]
			if e.Data != source.data || e.Type != source.typ {
				t.Errorf("%s, %s: type %q data %q, want %q %q", source.name, kind, e.Type, e.Data, source.typ, source.data)
			}
			ids[e.ID] = true
		}
		if len(ids) != 1 {
			t.Errorf("%s: the event has the ids %v, want one on all transports", source.name, ids)
		}
	}
	if events := browser.Payloads(other.Entries(bob)); len(events) != 0 {
		t.Errorf("bob got %v, which was for ann", events)
	}
}

// A browser whose connection breaks comes back by itself with Last-Event-ID and
// gets what it missed, all of it and nothing twice.
func TestBrowserReconnectsByItselfAndMissesNothing(t *testing.T) {
	b := chromium(t)
	node := pageNode(t, b, nil)
	relay := stage.NewRelay(t, node.Address())
	tab := b.NewTab(t)
	conn := tab.Open(client.SSE, relay.URL(), stage.Token(t, "ann", nil))
	tab.Await(conn, "an open connection", isOpen)

	want := []string{}
	send := func(n int) {
		for range n {
			data := fmt.Sprintf(`{"n":%d}`, len(want))
			publish(t, node, "ann", "", []byte(data))
			want = append(want, data)
		}
	}
	check := func(when string) {
		t.Helper()
		all := tab.Await(conn, "the events "+when, has(len(want)))
		got := browser.Payloads(all)
		for i, e := range got {
			if i >= len(want) || e.Data != want[i] {
				t.Fatalf("%s: event %d is %q; all: %v", when, i, e.Data, got)
			}
		}
		if n := browser.Count(all, client.TypeReset); n != 0 {
			t.Fatalf("%s: %d resets, want none", when, n)
		}
	}
	send(2)
	check("before anything breaks")

	relay.Cut()
	send(3)
	relay.Mend()
	check("after the connection was cut")

	node.Kill()
	node.Start()
	send(3)
	check("after the node was killed and started again")

	relay.Cut()
	node.Restart()
	send(2)
	relay.Mend()
	send(1)
	check("after both")
}

// The admin listener is trusted; on the public one a token publishes only what it
// grants.
func TestPublicPublishNeedsAGrant(t *testing.T) {
	node := stage.StartNode(t, stage.Settings(t.TempDir()).
		With("auth.publish", []string{"user.{/friend}"}))
	bob := record(t, client.SSE, client.Target{URL: node.URL(), Token: stage.Token(t, "bob", nil)})
	token := stage.Token(t, "ann", stage.Claims{"friend": "bob"})
	header := map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json"}

	for _, c := range []struct {
		name   string
		user   string
		header map[string]string
		status int
		code   string
	}{
		{"granted", "bob", header, 202, ""},
		{"another user", "carl", header, 403, "forbidden"},
		{"no token", "bob", map[string]string{"Content-Type": "application/json"}, 401, "token_missing"},
		{"a bad token", "bob", map[string]string{"Authorization": "Bearer x" + token}, 401, "token_invalid"},
	} {
		p := post(t, node.URL(), url.Values{"user": {c.user}}, c.header, []byte(`{"hi":1}`))
		if p.Status != c.status || p.Problem.Code != c.code {
			t.Errorf("%s: %d %q, want %d %q", c.name, p.Status, p.Problem.Code, c.status, c.code)
		}
	}
	if e := awaitEvents(t, bob, 1)[0]; string(e.Data) != `{"hi":1}` {
		t.Errorf("bob got %q", e.Data)
	}
}
