package bridge

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"weft/bridge/cloudevent"
	"weft/jetstream/event"
	"weft/jetstream/subject"
)

func rule(t testing.TB, kind string, to ...string) *Rule {
	t.Helper()
	r, err := NewRule(Source{Topic: "t", To: to, Type: kind})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func h(pairs ...string) []Header {
	var list []Header
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, Header{pairs[i], []byte(pairs[i+1])})
	}
	return list
}

const structuredEvent = `{"specversion":"1.0","id":"1","source":"/s","type":"order.made","subject":"bob","data":{"customer":{"id":7}}}`

func TestRulePlacesRecords(t *testing.T) {
	binary := h("ce_specversion", "1.0", "ce_id", "1", "ce_source", "/s", "ce_type", "order.made", "ce_subject", "bob", "content-type", "application/json")
	taken := map[string]string{"content-type": "application/json", "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-subject": "bob"}
	const none = "none"
	for name, c := range map[string]struct {
		rule     *Rule
		record   Record
		subjects []string
		kind     string
		header   map[string]string
		data     string // "": the record's value
	}{
		"pointer":           {rule(t, "order.{/s}", "user.{/c/id}"), Record{Value: []byte(`{"c":{"id":"ann@x.org"},"s":"paid"}`)}, []string{"user.ann=40x=2Eorg"}, "order.paid", nil, ""},
		"64-bit id":         {rule(t, "", "user.{/id}"), Record{Value: []byte(`{"id":9007199254740993}`)}, []string{"user.9007199254740993"}, "", nil, ""},
		"list":              {rule(t, "", "user.{/to}"), Record{Value: []byte(`{"to":["a","b","a"]}`)}, []string{"user.a", "user.b"}, "", nil, ""},
		"two lists":         {rule(t, "", "topic.{/a}.{/b}"), Record{Value: []byte(`{"a":["1","2"],"b":["x","y"]}`)}, []string{"topic.1.x", "topic.2.x", "topic.1.y", "topic.2.y"}, "", nil, ""},
		"two templates":     {rule(t, "", "user.{/u}", "topic.chat.{/r}"), Record{Value: []byte(`{"u":"a","r":"b"}`)}, []string{"user.a", "topic.chat.b"}, "", nil, ""},
		"one of two":        {rule(t, "", "user.{/u}", "topic.chat.{/r}"), Record{Value: []byte(`{"r":"b","u":null}`)}, []string{"topic.chat.b"}, "", nil, ""},
		"key":               {rule(t, "", "user.{key}"), Record{Key: []byte("a.b>*"), Value: []byte{0xff}}, []string{"user.a=2Eb=3E=2A"}, "", nil, ""},
		"empty by key":      {rule(t, "x", "user.{key}"), Record{Key: []byte("a"), Value: []byte{}}, []string{"user.a"}, "x", nil, ""},
		"headers":           {rule(t, "", "user.{header:to}"), Record{Value: []byte("x"), Headers: h("to", "a", "to", "b", "To", "c")}, []string{"user.a", "user.b"}, "", map[string]string{}, ""},
		"carried":           {rule(t, "", "user.{key}"), Record{Key: []byte("a"), Value: []byte("x"), Headers: h("Content-Type", "text/plain", "traceparent", "00-1", "Nats-Sequence", "1", "x", "y")}, []string{"user.a"}, "", map[string]string{"content-type": "text/plain", "traceparent": "00-1"}, ""},
		"structured":        {rule(t, "own", "user.{/data/customer/id}"), Record{Value: []byte(structuredEvent), Headers: h("content-type", "Application/CloudEvents+JSON; charset=utf-8")}, []string{"user.7"}, "order.made", taken, `{"customer":{"id":7}}`},
		"attribute":         {rule(t, "", "user.{/subject}"), Record{Value: []byte(structuredEvent), Headers: h("content-type", "application/cloudevents+json")}, []string{"user.bob"}, "order.made", taken, `{"customer":{"id":7}}`},
		"0.1":               {rule(t, "", "user.{key}"), Record{Key: []byte("a"), Value: []byte(`{"cloudEventsVersion":"0.1","eventID":"1","eventType":"old","source":"/s"}`), Headers: h("content-type", "application/cloudevents+json")}, []string{"user.a"}, "old", map[string]string{"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s"}, none},
		"binary":            {rule(t, "own", "user.{/data/customer/id}"), Record{Value: []byte(`{"customer":{"id":7}}`), Headers: binary}, []string{"user.7"}, "order.made", map[string]string{"content-type": "application/json", "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-subject": "bob"}, ""},
		"binary attribute":  {rule(t, "", "user.{/subject}"), Record{Value: []byte(`"x"`), Headers: binary}, []string{"user.bob"}, "order.made", map[string]string{"content-type": "application/json", "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-subject": "bob"}, ""},
		"binary no data":    {rule(t, "", "user.{/data/x}", "user.{/subject}"), Record{Headers: binary}, []string{"user.bob"}, "order.made", map[string]string{"content-type": "application/json", "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-subject": "bob"}, ""},
		"binary whole data": {rule(t, "", "user.{/data}"), Record{Value: []byte(`"eve"`), Headers: binary}, []string{"user.eve"}, "order.made", map[string]string{"content-type": "application/json", "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-subject": "bob"}, ""},
	} {
		events, err := c.rule.Events(&c.record)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := map[string]string{"": string(c.record.Value), none: ""}
		if _, ok := want[c.data]; !ok {
			want[c.data] = c.data
		}
		var subjects []string
		for _, e := range events {
			subjects = append(subjects, e.Subject)
			if e.Type != c.kind || string(e.Data) != want[c.data] || len(e.Header) != len(c.header) {
				t.Errorf("%s: type %q, header %q, data %q", name, e.Type, e.Header, e.Data)
			}
			for k, v := range c.header {
				if e.Header[k] != v {
					t.Errorf("%s: header %s is %q, want %q", name, k, e.Header[k], v)
				}
			}
		}
		if !slices.Equal(subjects, c.subjects) {
			t.Errorf("%s: %q, want %q", name, subjects, c.subjects)
		}
	}
}

func TestRuleRefusesWithACause(t *testing.T) {
	ce := h("content-type", "application/cloudevents+json")
	many := `{"u":["` + strings.Join(strings.Split(strings.Repeat("a", 1001), ""), `","`) + `"]}`
	for name, c := range map[string]struct {
		rule   *Rule
		record Record
		cause  Cause
	}{
		"no JSON":             {rule(t, "", "user.{/u}"), Record{Value: []byte("x")}, CauseNotJSON},
		"bad UTF-8":           {rule(t, "", "user.{/u}"), Record{Value: []byte("{\"u\":\"a\",\"x\":\"\xff\"}")}, CauseNotJSON},
		"nothing":             {rule(t, "", "user.{/u}"), Record{Value: []byte(`{}`)}, CauseNoAddressee},
		"empty list":          {rule(t, "", "user.{/u}"), Record{Value: []byte(`{"u":[]}`)}, CauseNoAddressee},
		"no key":              {rule(t, "", "user.{key}"), Record{Value: []byte(`{}`)}, CauseNoAddressee},
		"no header":           {rule(t, "", "user.{header:x}"), Record{Value: []byte(`{}`)}, CauseNoAddressee},
		"object":              {rule(t, "", "user.{/u}"), Record{Value: []byte(`{"u":{}}`)}, CauseAddressee},
		"null in list":        {rule(t, "", "user.{/u}"), Record{Value: []byte(`{"u":["a",null]}`)}, CauseAddressee},
		"empty":               {rule(t, "", "user.{/u}"), Record{Value: []byte(`{"u":""}`)}, CauseAddressee},
		"long, the second":    {rule(t, "", "topic.x-{/u}"), Record{Value: []byte(`{"u":["a","` + strings.Repeat("b", 200) + `"]}`)}, CauseAddressee},
		"too long a topic":    {rule(t, "", "topic.{/u}.{/u}.{/u}.{/u}"), Record{Value: []byte(`{"u":"` + strings.Repeat("é", 100) + `"}`)}, CauseAddressee},
		"says it is JSON":     {rule(t, "", "user.{key}"), Record{Key: []byte("a"), Value: []byte("\"\xff\""), Headers: h("content-type", "application/json")}, CauseNotJSON},
		"long":                {rule(t, "", "user.{key}"), Record{Key: bytes.Repeat([]byte("a"), 201), Value: []byte{}}, CauseAddressee},
		"half a surrogate":    {rule(t, "", "user.{/u}"), Record{Value: []byte(`{"u":"\ud800"}`)}, CauseAddressee},
		"too many":            {rule(t, "", "user.{/u}"), Record{Value: []byte(many)}, CauseAddressee},
		"key of bytes":        {rule(t, "", "user.{key}"), Record{Key: []byte("\x00\x00\x00\x00\x07\x06ann"), Value: []byte(`{}`)}, CauseBinary},
		"key of a long":       {rule(t, "", "user.{key}"), Record{Key: []byte{0, 0, 0, 0, 0, 0, 0, 65}, Value: []byte(`{}`)}, CauseBinary},
		"key of a long < 0":   {rule(t, "", "user.{key}"), Record{Key: []byte{255, 255, 255, 255, 255, 255, 255, 254}, Value: []byte(`{}`)}, CauseBinary},
		"key in Latin-1":      {rule(t, "", "topic.a.{key}"), Record{Key: []byte("J\xfcrgen"), Value: []byte(`{}`)}, CauseBinary},
		"header of a long":    {rule(t, "", "user.{header:to}"), Record{Value: []byte(`{}`), Headers: h("to", "\x00\x00\x00\x07")}, CauseBinary},
		"type of bytes":       {rule(t, "a.{key}", "user.{/u}"), Record{Key: []byte{0xff}, Value: []byte(`{"u":"a"}`)}, CauseBinary},
		"one good addressee":  {rule(t, "", "user.{/u}", "topic.a.{key}"), Record{Key: []byte{0xff}, Value: []byte(`{"u":"a"}`)}, CauseBinary},
		"reserved type":       {rule(t, "{/t}", "user.{/u}"), Record{Value: []byte(`{"u":"a","t":"weft.close"}`)}, CauseType},
		"type with newline":   {rule(t, "{/t}", "user.{/u}"), Record{Value: []byte(`{"u":"a","t":"a\nb"}`)}, CauseType},
		"long type":           {rule(t, "{/t}", "user.{/u}"), Record{Value: []byte(`{"u":"a","t":"` + strings.Repeat("x", 201) + `"}`)}, CauseType},
		"large":               {rule(t, "", "user.{key}"), Record{Key: []byte("a"), Value: make([]byte, event.MaxBytes+1)}, CauseTooLarge},
		"no CloudEvent":       {rule(t, "", "user.{key}"), Record{Key: []byte("a"), Value: []byte(`{}`), Headers: ce}, CauseBadEvent},
		"no source":           {rule(t, "", "user.{key}"), Record{Key: []byte("a"), Value: []byte(`{"specversion":"1.0","id":"1","type":"t"}`), Headers: ce}, CauseBadEvent},
		"version":             {rule(t, "", "user.{key}"), Record{Key: []byte("a"), Value: []byte(`{"specversion":"2.0","id":"1","type":"t","source":"s"}`), Headers: ce}, CauseBadEvent},
		"reserved event type": {rule(t, "", "user.{key}"), Record{Key: []byte("a"), Value: []byte(`{"specversion":"1.0","id":"1","type":"weft.reset","source":"s"}`), Headers: ce}, CauseType},
		"batch":               {rule(t, "", "user.{key}"), Record{Key: []byte("a"), Value: []byte(`[]`), Headers: h("content-type", "application/cloudevents-batch+json")}, CauseBadEvent},
		"binary no id":        {rule(t, "", "user.{key}"), Record{Key: []byte("a"), Value: []byte(`x`), Headers: h("ce_specversion", "1.0", "ce_type", "t", "ce_source", "s")}, CauseBadEvent},
		"binary newline":      {rule(t, "", "user.{key}"), Record{Key: []byte("a"), Value: []byte(`x`), Headers: h("ce_specversion", "1.0", "ce_type", "t", "ce_source", "s", "ce_id", "1\r\nNats-Msg-Id: x")}, CauseBadEvent},
		"binary data":         {rule(t, "", "user.{/data/u}"), Record{Value: []byte(`x`), Headers: h("ce_specversion", "1.0", "ce_type", "t", "ce_source", "s", "ce_id", "1")}, CauseNotJSON},
	} {
		events, err := c.rule.Events(&c.record)
		var refusal *Refusal
		if !errors.As(err, &refusal) || refusal.Cause != c.cause {
			t.Errorf("%s: %v, %d events, want %s", name, err, len(events), c.cause)
		}
	}
	if _, err := rule(t, "", "user.{key}").Events(&Record{Key: []byte("a")}); !errors.Is(err, ErrTombstone) {
		t.Errorf("tombstone: %v", err)
	}
}

func TestATypeThatCannotBeMadeKeepsNoEventBack(t *testing.T) {
	for name, c := range map[string]struct{ template, value, key, want string }{
		"missing":            {"order.{/s}", `{"u":"a"}`, "", ""},
		"null":               {"order.{/s}", `{"u":"a","s":null}`, "", ""},
		"an object":          {"order.{/s}", `{"u":"a","s":{"new":true}}`, "", ""},
		"a list":             {"order.{/s}", `{"u":"a","s":["x","y"]}`, "", ""},
		"an empty list":      {"order.{/s}", `{"u":"a","s":[]}`, "", ""},
		"a list of a null":   {"order.{/s}", `{"u":"a","s":[null]}`, "", ""},
		"empty":              {"order.{/s}", `{"u":"a","s":""}`, "", ""},
		"empty, alone":       {"{/s}", `{"u":"a","s":""}`, "", ""},
		"one of two missing": {"{/u}.{/s}", `{"u":"a"}`, "", ""},
		"no key":             {"order.{key}", `{"u":"a"}`, "", ""},
		"no header":          {"order.{header:kind}", `{"u":"a"}`, "", ""},
		"below a text":       {"order.{/u/x}", `{"u":"a"}`, "", ""},
		"false is a value":   {"order.{/s}", `{"u":"a","s":false}`, "", "order.false"},
		"0 is a value":       {"order.{/s}", `{"u":"a","s":0}`, "", "order.0"},
		"a list of one":      {"order.{/s}", `{"u":"a","s":["x"]}`, "", "order.x"},
	} {
		r := Record{Value: []byte(c.value)}
		if c.key != "" {
			r.Key = []byte(c.key)
		}
		events, err := rule(t, c.template, "user.{/u}").Events(&r)
		if err != nil || len(events) != 1 || events[0].Subject != "user.a" || events[0].Type != c.want {
			t.Errorf("%s: %+v, %v; want the type %q", name, events, err, c.want)
		}
	}
}

// FuzzRule feeds records of every form to a rule: whatever comes out must be
// events that the store takes, with the record's own bytes.
func FuzzRule(f *testing.F) {
	f.Add([]byte("k"), []byte(`{"u":["a",1],"data":{"u":true}}`), "", "")
	f.Add([]byte("k"), []byte(structuredEvent), "application/cloudevents+json", "")
	f.Add([]byte("k"), []byte(`{"u":1}`), "application/json", "1.0")
	f.Add([]byte(""), []byte{0xff}, "x\r\ny", "weft.close")
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 7}, []byte(`{"u":{"a":null}}`), "", "a")
	f.Add([]byte{0xff, 0xfe}, []byte(`{"u":""}`), "text/plain", "")
	r, err := NewRule(Source{To: []string{"user.{/u}", "user.{/data/u}", "topic.{key}.{header:ce_type}"}, Type: "a.{/u}"})
	if err != nil {
		f.Fatal(err)
	}
	byKey := rule(f, "", "user.{key}")
	f.Fuzz(func(t *testing.T, key, value []byte, contentType, attribute string) {
		rec := Record{Key: key, Value: value, Headers: h("content-type", contentType, "ce_specversion", attribute, "ce_type", attribute,
			"ce_id", attribute, "ce_source", "s", "ce_"+contentType, attribute, "traceparent", attribute)}
		if events, err := byKey.Events(&Record{Key: key, Value: []byte{}}); err == nil {
			user, err := subject.Unescape(strings.TrimPrefix(events[0].Subject, "user."))
			if err != nil || user != string(key) || !utf8.ValidString(user) || strings.ContainsFunc(user, unicode.IsControl) {
				t.Fatalf("the key %q is the user %q, %v", key, user, err)
			}
		}
		for range 2 {
			events, err := r.Events(&rec)
			if (err == nil) != (len(events) > 0) {
				t.Fatalf("%d events, %v", len(events), err)
			}
			for i := range events {
				if err := events[i].Check(); err != nil {
					t.Fatal(err)
				}
				if ce, err := cloudevent.Structured(value); string(events[i].Data) != string(value) && (err != nil || string(events[i].Data) != string(ce.Data)) {
					t.Fatal("other bytes")
				}
			}
			rec.Headers = nil
		}
	})
}

var record256 = []byte(`{"id":"0d7f8f4e-33c1-4e0c-9a51-8f6f2f0f5c11","customer":{"id":"u123456","name":"Ann Example","tier":3},` +
	`"state":"shipped","total":129.95,"currency":"EUR","lines":[{"sku":"A-1","n":2},{"sku":"B-77","n":1}],"at":"2026-11-21T10:00:00Z","n":12345678}`)

func BenchmarkRule256(b *testing.B) {
	r := rule(b, "order.{/state}", "user.{/customer/id}")
	rec := Record{Key: []byte("u123456"), Value: record256}
	b.SetBytes(int64(len(record256)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Events(&rec); err != nil {
			b.Fatal(err)
		}
	}
}
