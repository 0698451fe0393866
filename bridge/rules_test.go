package bridge

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"weft/bridge/cloudevent"
	"weft/jetstream/event"
	"weft/jetstream/subject"
)

func rules(t testing.TB) Rules {
	t.Helper()
	r, err := NewRules([]IngestRule{
		{Name: "orders", To: []string{"user.{/customer/id}", "topic.shop.{header:x-shop}", "user.{/data/customer/id}"}, Type: "order.{/state}"},
		{Name: "all", To: []string{"topic.all"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestARuleSaysWhomAMessageIsFor(t *testing.T) {
	const structured = `{"specversion":"1.0","id":"1","source":"/s","type":"made","data":{"customer":{"id":"eve"}}}`
	for name, c := range map[string]struct {
		rule     string
		header   map[string]string
		data     string
		subjects []string
		kind     string
		stored   string
		carried  map[string]string
	}{
		"a pointer and a header in another case": {"orders", map[string]string{"X-Shop": "b 1", "x": "y", "Traceparent": "00-1"}, `{"customer":{"id":["ann","bob"]},"state":"paid"}`,
			[]string{"user.ann", "user.bob", "topic.shop.b=201"}, "order.paid", "", map[string]string{"traceparent": "00-1"}},
		"a type that the publisher says": {"orders", map[string]string{"ce-type": "mine"}, `{"customer":{"id":"ann"},"state":"paid"}`, []string{"user.ann"}, "mine", "", map[string]string{}},
		"a type that is encoded":         {"all", map[string]string{"Ce-Type": "%22a%20b%22"}, "1", []string{"topic.all"}, `"a b"`, "", map[string]string{}},
		"any bytes, and none":            {"all", nil, "", []string{"topic.all"}, "", "", nil},
		"a structured CloudEvent": {"orders", map[string]string{"Content-Type": "application/cloudevents+json", "ce-type": "other"}, structured,
			[]string{"user.eve"}, "made", `{"customer":{"id":"eve"}}`, map[string]string{"content-type": "application/json", "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s"}},
		"a binary CloudEvent": {"orders", map[string]string{"ce-specversion": "1.0", "Ce-Id": "a%20b", "ce-source": "/s", "ce-type": "made"}, `{"customer":{"id":"eve"}}`,
			[]string{"user.eve"}, "made", "", map[string]string{"ce-specversion": "1.0", "ce-id": "a%20b", "ce-source": "/s"}},
	} {
		events, err := rules(t).Message(c.rule, c.header, []byte(c.data))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var subjects []string
		for _, e := range events {
			subjects = append(subjects, e.Subject)
			if want := c.stored; e.Type != c.kind || !maps.Equal(e.Header, c.carried) || string(e.Data) != want && (want != "" || string(e.Data) != c.data) {
				t.Errorf("%s: type %q, header %q, data %q", name, e.Type, e.Header, e.Data)
			}
		}
		if !slices.Equal(subjects, c.subjects) {
			t.Errorf("%s: %q, want %q", name, subjects, c.subjects)
		}
	}
}

func TestWhatARuleCannotPlaceNamesThePointers(t *testing.T) {
	for name, c := range map[string]struct {
		rule string
		data string
		err  error
		says []string
	}{
		"nobody":          {"orders", `{"customer":{}}`, subject.ErrMissing, []string{"{/customer/id}", "{header:x-shop}", "{/data/customer/id}"}},
		"an empty one":    {"orders", `{"customer":{"id":""}}`, subject.ErrToken, []string{"{/customer/id}"}},
		"an object":       {"orders", `{"customer":{"id":{}}}`, nil, []string{"{/customer/id}"}},
		"no JSON":         {"orders", `customer`, nil, []string{"not valid JSON"}},
		"a reserved type": {"all", `{}`, event.ErrType, []string{"reserved"}},
		"no rule":         {"Orders", `{}`, ErrNoRule, []string{"Orders", "ingest.rules"}},
	} {
		events, err := rules(t).Message(c.rule, map[string]string{"ce-type": "weft%2Eopen"}, []byte(c.data))
		if err == nil || len(events) > 0 || c.err != nil && !errors.Is(err, c.err) {
			t.Errorf("%s: %d events, %v", name, len(events), err)
			continue
		}
		for _, say := range c.says {
			if !strings.Contains(err.Error(), say) {
				t.Errorf("%s: %q does not say %q", name, err, say)
			}
		}
	}
}

// FuzzMessage has rules look at whatever a publisher sends: what comes out is what the store
// takes, and no header of the publisher's but those that are known.
func FuzzMessage(f *testing.F) {
	f.Add("orders", "content-type", "application/cloudevents+json", []byte(structuredEvent))
	f.Add("orders", "x-shop", "a.b>*", []byte(`{"customer":{"id":[1,"x"]}}`))
	f.Add("all", "ce-specversion", "1.0", []byte("\xff"))
	f.Add("all", "ce-type", "weft.open", []byte(nil))
	r := rules(f)
	f.Fuzz(func(t *testing.T, rule, name, value string, data []byte) {
		events, err := r.Message(rule, map[string]string{name: value, "ce-id": value, "ce-source": value}, data)
		if (err == nil) != (len(events) > 0) {
			t.Fatalf("%d events, %v", len(events), err)
		}
		for i := range events {
			if err := events[i].Check(); err != nil {
				t.Fatal(err)
			}
			for name := range events[i].Header {
				if name != "content-type" && name != "traceparent" && !strings.HasPrefix(name, cloudevent.HTTPPrefix) {
					t.Fatalf("the header %q is carried on", name)
				}
			}
		}
	})
}
