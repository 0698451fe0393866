package test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/twmb/franz-go/pkg/kgo"

	"weft/test/stage"
)

// hear answers all requests for services until the test ends, and hands them on.
func hear(t *testing.T, n *stage.Node) <-chan *nats.Msg {
	t.Helper()
	heard := make(chan *nats.Msg, 1000)
	nc := n.NATS()
	if _, err := nc.Subscribe("svc.>", func(m *nats.Msg) {
		heard <- m
		_ = m.Respond([]byte(`"good"`))
	}); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return heard
}

// A value is one token of a subject, whatever it holds: it neither names another service
// nor becomes a wildcard.
func TestNoValueLeavesItsTokenOfASubject(t *testing.T) {
	n := stage.StartNode(t, stage.Settings(t.TempDir()))
	heard := hear(t, n)
	none := stage.Route{"mode": "none"}
	stage.PutRoute(t, n, "value", stage.Route{"pattern": "/value/{id}", "target": "nats://svc.orders.{id}", "auth": none})
	stage.PutRoute(t, n, "rest", stage.Route{"pattern": "/rest/{rest...}", "target": "nats://svc.files.{rest}", "auth": none})
	stage.PutRoute(t, n, "user", stage.Route{"pattern": "/user", "target": "nats://svc.users.{user}"})
	stage.PutRoute(t, n, "claim", stage.Route{"pattern": "/claim", "target": "nats://svc.tenants.{/tenant}.x"})

	ask := func(path, token string) reached {
		t.Helper()
		return byRoute(t, "GET", n.URL()+path, "", "Authorization", "Bearer "+token, "Weft-User", "mallory", "weft_route", "mallory")
	}
	arrives := func(path, token, subject, user string) {
		t.Helper()
		if r := ask(path, token); r.Status != 200 || r.Body != `"good"` {
			t.Errorf("%s is answered %d %s", path, r.Status, r.Body)
			return
		}
		m := <-heard
		if m.Subject != subject || m.Header.Get("Weft-User") != user {
			t.Errorf("%s arrives at %q of %q, want %q of %q", path, m.Subject, m.Header.Get("Weft-User"), subject, user)
		}
		for name, values := range m.Header {
			if strings.Contains(strings.Join(values, ""), "mallory") || name == "Authorization" || strings.Contains(name, "_") {
				t.Errorf("%s: the service is told %s: %q", path, name, values)
			}
		}
	}
	arrives("/value/a.b.%3E", "", "svc.orders.a=2Eb=2E=3E", "")
	arrives("/value/%2A", "", "svc.orders.=2A", "")
	arrives("/value/a%20b", "", "svc.orders.a=20b", "")
	arrives("/value/%24SYS.x", "", "svc.orders.=24SYS=2Ex", "")
	arrives("/value/a=2Eb", "", "svc.orders.a=3D2Eb", "")
	arrives("/value/a%2Fb%2f%3e", "", "svc.orders.a=2Fb=2F=3E", "")
	arrives("/rest/a.b/%3E", "", "svc.files.a=2Eb.=3E", "")
	arrives("/user", stage.Token(t, "ann.>", nil), "svc.users.ann=2E=3E", "ann.>")
	arrives("/user", stage.Token(t, "a\r\nWeft-Route: x", nil), "svc.users.a=0D=0AWeft-Route=3A=20x", "a%0D%0AWeft-Route:%20x")
	arrives("/claim", stage.Token(t, "ann", stage.Claims{"tenant": "*.>"}), "svc.tenants.=2A=2E=3E.x", "ann")
	arrives("/claim", stage.Token(t, "ann", stage.Claims{"tenant": 17}), "svc.tenants.17.x", "ann")

	refused := func(path, token string, status int, code string) {
		t.Helper()
		if r := ask(path, token); r.Status != status || r.code() != code {
			t.Errorf("%s is answered %d %s, want %d %s", path, r.Status, r.Body, status, code)
		}
	}
	for _, tenant := range []any{"", nil, []string{"a", "b"}, []string{}, map[string]any{"a": 1}, strings.Repeat("a", 1000)} {
		refused("/claim", stage.Token(t, "ann", stage.Claims{"tenant": tenant}), 403, "forbidden")
	}
	refused("/claim", stage.Token(t, "ann", nil), 403, "forbidden")
	refused("/rest/a//b", "", 403, "forbidden")
	refused("/rest/", "", 403, "forbidden")
	refused("/value/"+strings.Repeat("a", 1000), "", 403, "forbidden")
	refused("/rest/"+strings.Repeat("a/", 10_000)+"a", "", 403, "forbidden")
	refused("/value/a%0d%0ab", "", 400, "bad_request")
	refused("/value/..%2fb", "", 400, "bad_request")
	refused("/value/a/b", "", 404, "not_found")
	select {
	case m := <-heard:
		t.Errorf("what was refused has arrived at %q", m.Subject)
	default:
	}
}

// A record's key is the claim, byte for byte: nothing in Kafka takes it for a path. The
// request's own headers do not say who sent it.
func TestNoClaimAndNoHeaderDeceivesAReaderOfRecords(t *testing.T) {
	k := broker(t)
	in := topic(t, k, 1)
	n := stage.StartNode(t, stage.Settings(t.TempDir()).With("kafka.brokers", []any{k.Address}))
	stage.PutRoute(t, n, "key", stage.Route{"pattern": "POST /key/{id}", "target": "kafka://" + in, "key": "{/tenant}",
		"cloudevent":      stage.Route{"type": "order.{id}", "source": "weft"},
		"request_headers": stage.Route{"set": stage.Route{"X-Id": "{id}"}, "pass": []string{"X-Mine"}}})
	records := make(chan *kgo.Record, 10)
	serveTopic(t, k, in, 1, func(r *kgo.Record) []*kgo.Record { records <- r; return nil })
	for tenant, want := range map[any]string{"../x": "../x", "a\x00b\r\n": "a\x00b\r\n", "": "", 17: "17"} {
		r := byRoute(t, "POST", n.URL()+"/key/a%2Fb", "body", "Authorization", "Bearer "+stage.Token(t, "a\nb", stage.Claims{"tenant": tenant}),
			"Weft-User", "mallory", "weft_user", "mallory", "Weft-Correlation", "mallory", "Weft-Reply-Topic", "mallory",
			"Ce-Id", "mallory", "ce_type", "mallory", "Ce-Source", "mallory", "X-Mine", "1", "X-Other", "mallory", "Cookie", "a=mallory")
		if r.Status != 202 {
			t.Fatalf("%q is answered %d %s", tenant, r.Status, r.Body)
		}
		record := <-records
		if string(record.Key) != want || string(record.Value) != "body" {
			t.Errorf("the claim %q is the key %q of %q", tenant, record.Key, record.Value)
		}
		have := map[string][]string{}
		for _, h := range record.Headers {
			have[h.Key] = append(have[h.Key], string(h.Value))
		}
		for name, value := range map[string]string{"weft-user": "a%0Ab", "weft-correlation": r.id(), "ce_id": r.id(), "ce_type": "order.a/b", "ce_source": "weft", "x-id": "a/b", "x-mine": "1"} {
			if !slices.Equal(have[name], []string{value}) {
				t.Errorf("%s is %q, want %q", name, have[name], value)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(have)) {
			if strings.Contains(strings.Join(have[name], ""), "mallory") || slices.Contains([]string{"authorization", "cookie", "x-other"}, name) || name != strings.ToLower(name) {
				t.Errorf("the record has %s: %q", name, have[name])
			}
		}
	}
}

// Who is let in by a proxy that is trusted still says nothing of its own.
func TestWhatATrustedProxySaysIsKeptWhenItIsWellFormed(t *testing.T) {
	n := stage.StartNode(t, stage.Settings(t.TempDir()).With("public.trusted_proxies", []any{"127.0.0.1/32"}))
	h := &hostile{t, n, stage.StartWire(t, nil)}
	stage.PutRoute(t, n, "api", stage.Route{"pattern": "/api/{rest...}", "target": h.back.URL(), "auth": stage.Route{"mode": "none"}})
	h.reaches("good", getHead("/api/x", "X-Request-Id: abc-123", "X-Forwarded-For: 6.6.6.6", "Forwarded: for=6.6.6.6", "X-Forwarded-Proto: https", "X-Forwarded-Host: shop")).
		header("X-Request-Id", "abc-123").header("X-Forwarded-For", "6.6.6.6, 127.0.0.1").header("Forwarded", "for=6.6.6.6, for=127.0.0.1;host=weft;proto=http")
	for _, id := range []string{"a%0d%0aX-Evil: mallory", "mallory mallory", "mallory\xff", strings.Repeat("mallory", 1000)} {
		w := h.reaches("a bad ID", getHead("/api/x", "X-Request-Id: "+id, "Weft-User: mallory", "weft_user: mallory"))
		if got := w.lacks("mallory").all("X-Request-Id"); len(got) != 1 || len(got[0]) != 22 {
			t.Errorf("X-Request-Id %q came as %q", id, got)
		}
	}
	answer := h.ask(getHead("/api/x", "X-Request-Id: one", "X-Request-Id: two"))
	if got := answer.Header[http.CanonicalHeaderKey("X-Request-Id")]; len(got) != 1 || got[0] == "two" {
		t.Errorf("two request IDs are answered as %q", got)
	}
}
