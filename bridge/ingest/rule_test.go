package ingest

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"weft/bridge"
	"weft/edge/problem"
	"weft/jetstream/event"
	"weft/jetstream/store"
)

// shopRules are those that publishers may name here.
func shopRules(t testing.TB) bridge.Rules {
	t.Helper()
	rules, err := bridge.NewRules([]bridge.IngestRule{
		{Name: "orders", To: []string{"user.{/customer/id}", "topic.shop.{header:x-shop}"}, Type: "order.{/state}"},
		{Name: "ce", To: []string{"user.{/data/to}", "topic.{/subject}"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// kept is a store that takes all and remembers it.
type kept struct{ given []event.Event }

func (s *kept) PublishAll(_ context.Context, events []event.Event) ([]store.Ack, []error) {
	s.given = append(s.given, events...)
	return make([]store.Ack, len(events)), make([]error, len(events))
}

func TestARuleSaysWhomARequestIsFor(t *testing.T) {
	const made = `{"specversion":"1.0","id":"7","source":"/s","type":"made","subject":"news","user":"nobody","data":{"to":"ann"}}`
	for name, c := range map[string]struct {
		request  *http.Request
		subjects []string
		kind     string
		id       func(n int) event.MsgID
	}{
		"JSON": {post("?rule=orders", `{"customer":{"id":["ann@x.org","bob"]},"state":"paid"}`, "X-Shop", "b", "Content-Type", "application/json", "Idempotency-Key", "k"),
			[]string{"user.ann=40x=2Eorg", "user.bob", "topic.shop.b"}, "order.paid", func(n int) event.MsgID { return pub.KeyID("k", n) }},
		"a type that the publisher says": {post("?rule=orders&type=mine", `{"customer":{"id":"ann"},"state":"paid"}`), []string{"user.ann"}, "mine", nil},
		"no type":                        {post("?rule=orders", `{"customer":{"id":"ann"}}`), []string{"user.ann"}, "", nil},
		"a structured CloudEvent":        {post("?rule=ce&type=mine", made, "Content-Type", structuredType), []string{"user.ann", "topic.news"}, "made", func(int) event.MsgID { return pub.EventID("/s", "7") }},
		"a batch": {post("?rule=ce", "["+made+","+strings.Replace(made, `"to":"ann"`, `"to":"bob"`, 1)+"]", "Content-Type", batchType),
			[]string{"user.ann", "topic.news", "user.bob", "topic.news"}, "made", func(int) event.MsgID { return pub.EventID("/s", "7") }},
		"a binary CloudEvent": {post("?rule=ce", `{"to":"ann"}`, "ce-specversion", "1.0", "ce-id", "a%20b", "ce-source", "/s", "ce-type", "made", "ce-user", "nobody"),
			[]string{"user.ann"}, "made", func(int) event.MsgID { return pub.EventID("/s", "a b") }},
		"JSON that has what a CloudEvent has": {post("?rule=ce", `{"data":{"to":"ann"},"specversion":"1.0","id":"7","source":"/s","type":"made","user":"x"}`, "Content-Type", "application/json"),
			[]string{"user.ann"}, "", nil},
	} {
		s := &kept{}
		i := New(config, shopRules(t), s, prometheus.NewRegistry())
		var asked []string
		ids, err := i.Accept(t.Context(), c.request, pub, func(s string) bool { asked = append(asked, s); return true })
		if err != nil || !slices.Equal(asked, c.subjects) || len(ids) != len(c.subjects) || len(s.given) != len(ids) {
			t.Errorf("%s: asked for %q, %d ids, %v", name, asked, len(ids), err)
			continue
		}
		for n, e := range s.given {
			var id event.MsgID
			if c.id != nil {
				id = c.id(n)
			}
			if e.Subject != c.subjects[n] || e.Type != c.kind || e.ID != id || e.Source != event.SourceHTTP {
				t.Errorf("%s: event %d: %+v", name, n, e)
			}
		}
	}
}

func TestNothingIsStoredOfWhatARuleCannotPlace(t *testing.T) {
	good := `{"specversion":"1.0","id":"7","source":"/s","type":"made","data":{"to":"ann"}}`
	for name, c := range map[string]struct {
		request *http.Request
		status  int
		code    string
		says    string
	}{
		"no such rule":     {post("?rule=Orders", "{}"), 400, "bad_request", "ingest.rules"},
		"an empty name":    {post("?rule=", "{}"), 400, "bad_request", "ingest.rules"},
		"two rules":        {post("?rule=orders&rule=ce", "{}"), 400, "bad_request", "more than once"},
		"a user, too":      {post("?rule=orders&user=ann", "{}"), 400, "bad_request", "leave out"},
		"a subject, too":   {post("?rule=orders&subject=user.ann", "{}"), 400, "bad_request", "leave out"},
		"nobody":           {post("?rule=orders", `{"customer":{}}`), 422, "bad_event", "{/customer/id}"},
		"no JSON":          {post("?rule=orders", "customer"), 422, "bad_event", "not valid JSON"},
		"an empty user":    {post("?rule=orders", `{"customer":{"id":""}}`), 422, "bad_event", "{/customer/id}"},
		"an object":        {post("?rule=orders", `{"customer":{"id":{}}}`), 422, "bad_event", "{/customer/id}"},
		"a type of ours":   {post("?rule=orders&type=weft.x", `{"customer":{"id":"ann"}}`), 422, "bad_event", "reserved"},
		"one of a batch":   {post("?rule=ce", "["+good+`,{"specversion":"1.0","id":"8","source":"/s","type":"made"}]`, "Content-Type", batchType), 422, "bad_event", "event 1: "},
		"too many":         {post("?rule=orders", `{"customer":{"id":[`+strings.Repeat("1,", 1000)+`2]}}`), 422, "bad_event", "{/customer/id}"},
		"too many of all":  {post("?rule=ce", "["+strings.Repeat(strings.Replace(good, `"data"`, `"subject":"a","data"`, 1)+",", 500)+good+"]", "Content-Type", batchType), 413, "too_large", "1000"},
		"a forbidden user": {post("?rule=orders", `{"customer":{"id":["ann","eve"]}}`), 403, "forbidden", "token"},
		"too large":        {post("?rule=orders", `{"customer":{"id":"ann"},"x":"`+strings.Repeat("x", 1<<20)+`"}`), 413, "too_large", "1048576"},
	} {
		i := New(config, shopRules(t), broken{errors.New("the store was asked")}, prometheus.NewRegistry())
		_, err := i.Accept(t.Context(), c.request, pub, func(s string) bool { return s != "user.eve" })
		expect(t, name, err, c.status, c.code)
		if p := problem.Of(err); !strings.Contains(p.Detail, c.says) {
			t.Errorf("%s: %q does not say %q", name, p.Detail, c.says)
		}
	}
}

// JSON that is an event and says whom it is for is taken for one where nothing else says it.
func TestACloudEventNeedNotSayThatItIsOne(t *testing.T) {
	for name, c := range map[string]struct {
		request *http.Request
		data    string
		id      event.MsgID
		status  int
	}{
		"for a user":         {post("", about("1", `,"data":[1 ]`), "Content-Type", "application/json"), "[1 ]", pub.EventID("/s", "1"), 0},
		"with parameters":    {post("?type=x", about("1", `,"data":1`), "Content-Type", "Application/JSON; charset=utf-8"), "1", pub.EventID("/s", "1"), 0},
		"addressed by query": {post("?user=ann", about("1", ""), "Content-Type", "application/json"), about("1", ""), event.MsgID{}, 0},
		"for nobody":         {post("", `{"specversion":"1.0","id":"1","source":"/s","type":"t"}`, "Content-Type", "application/json"), "", event.MsgID{}, 422},
		"no id":              {post("", `{"specversion":"1.0","source":"/s","type":"t","user":"ann"}`, "Content-Type", "application/json"), "", event.MsgID{}, 422},
		"a bad version":      {post("", `{"specversion":"7","id":"1","source":"/s","type":"t","user":"ann"}`, "Content-Type", "application/json"), "", event.MsgID{}, 422},
		"as text":            {post("", about("1", ""), "Content-Type", "text/plain"), "", event.MsgID{}, 422},
		"no JSON":            {post("", about("1", "")+"}", "Content-Type", "application/json"), "", event.MsgID{}, 422},
	} {
		s := &kept{}
		_, err := New(config, nil, s, prometheus.NewRegistry()).Accept(t.Context(), c.request, pub, all)
		if c.status != 0 {
			expect(t, name, err, c.status, "bad_event")
			continue
		}
		if err != nil || len(s.given) != 1 || s.given[0].Subject != "user.ann" || string(s.given[0].Data) != c.data || s.given[0].ID != c.id {
			t.Errorf("%s: %+v, %v", name, s.given, err)
		}
	}
}
