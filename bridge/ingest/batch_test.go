package ingest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"weft/edge/problem"
	"weft/jetstream/event"
)

// about makes a structured event for ann; rest are further members.
func about(id, rest string) string {
	return `{"specversion":"1.0","source":"/s","type":"t","user":"ann","id":"` + id + `"` + rest + `}`
}

func batchOf(docs ...string) *http.Request {
	return post("", "["+strings.Join(docs, ",")+"]", "Content-Type", batchType)
}

func TestEventsOfABatchAreStoredInBinaryForm(t *testing.T) {
	const anyJSON = "application/json"
	docs := []struct{ doc, data, contentType, attribute, value string }{
		{about("null", `,"data":null`), "null", anyJSON, "id", "null"},
		{about("base64", `,"data_base64":"AP8=" , "datacontenttype":"application/octet-stream"`), "\x00\xff", "application/octet-stream", "id", "base64"},
		{about("numbers", `,"data":[123456789012345678901234567890, 1E400, -0.0, 1.10],"n":12345678901234567890`), `[123456789012345678901234567890, 1E400, -0.0, 1.10]`, anyJSON, "n", "12345678901234567890"},
		{about("escapes", `,"data":"{\"a\":\"\\u0041\\\\\"}","\u0065xt":"\ud83d\ude00\/"`), `"{\"a\":\"\\u0041\\\\\"}"`, anyJSON, "ext", "%F0%9F%98%80/"},
		{about("a text", `,"data":"{\"a\":\"\\u0041\\\\\"}","datacontenttype":"text/plain; charset=utf-8"`), `{"a":"\u0041\\"}`, "text/plain; charset=utf-8", "user", "ann"},
		{about("brackets", `,"data":{"a":["]","}",{"b":"[{"}],",":[[],{}]},"b":true`), `{"a":["]","}",{"b":"[{"}],",":[[],{}]}`, anyJSON, "b", "true"},
		{about("keys twice", `,"data":{"a":1,"a":2},"data":3,"b":1,"b":"2"`), "3", anyJSON, "b", "2"},
		{"{\r\n\t\"specversion\" : \"1.0\" , \"source\":\"/s\",\"type\":\"t\",\"user\":\"ann\",\"id\":\"spaces\" ,\"data\" :\n{ \"a\":\r1 } }", "{ \"a\":\r1 }", anyJSON, "specversion", "1.0"},
		{about("nothing", ""), "", "", "source", "/s"},
	}
	var written []string
	for _, d := range docs {
		written = append(written, d.doc)
	}
	i, n := open(t)
	ids, err := i.Accept(t.Context(), batchOf(written...), pub, all)
	if err != nil {
		t.Fatal(err)
	}
	stored := read(t, n, "user.ann")
	if len(stored) != len(docs) || len(ids) != len(docs) {
		t.Fatalf("%d stored, %d ids, want %d", len(stored), len(ids), len(docs))
	}
	for k, s := range stored {
		want := docs[k]
		if string(s.Data) != want.data || ids[k] != n.CursorAt(s.Seq) {
			t.Errorf("event %d is %s, want %s", k, s.Data, want.data)
		}
		if got := s.Header["ce-"+want.attribute]; !slices.Equal(got, []string{want.value}) {
			t.Errorf("event %d has %s %q, want %q", k, want.attribute, got, want.value)
		}
		if got := event.FirstValue(s.Header, event.HeaderContentType); got != want.contentType {
			t.Errorf("event %d has content type %q, want %q", k, got, want.contentType)
		}
	}
}

func TestAttributesAreReadAsJSONHasThem(t *testing.T) {
	for name, c := range map[string]struct {
		doc, subject, kind string
		id                 event.MsgID
	}{
		"the last of two keys counts": {about("1", `,"id":"2","type":"u","user":"bob"`), "user.bob", "u", pub.EventID("/s", "2")},
		"escaped names and values":    {`{"specversion":"1.0","source":"/s","i\u0064":"\u0031","\u0074ype":"a\/b","user":"\u0061nn"}`, "user.ann", "a/b", pub.EventID("/s", "1")},
		"names within data do not":    {about("1", `,"data":{"user":"bob","type":"x","id":"9"}`), "user.ann", "t", pub.EventID("/s", "1")},
		"a number as user":            {about("1", `,"user":12345678901234567890`), "user.12345678901234567890", "t", pub.EventID("/s", "1")},
		"a null is none":              {about("1", `,"topic":null`), "user.ann", "t", pub.EventID("/s", "1")},
	} {
		for form, request := range map[string]*http.Request{
			"structured": post("", c.doc, "Content-Type", structuredType),
			"batch":      batchOf(c.doc),
		} {
			i, n := open(t)
			if _, err := i.Accept(t.Context(), request, pub, all); err != nil {
				t.Errorf("%s, %s: %v", name, form, err)
				continue
			}
			s := read(t, n, c.subject)
			if len(s) != 1 || s[0].Header["ce-type"][0] != c.kind || n.given[0].ID != c.id {
				t.Errorf("%s, %s: %+v", name, form, s)
			}
		}
	}
}

func TestABatchIsTakenAsAWholeOrNotAtAll(t *testing.T) {
	good := about("1", "")
	for name, c := range map[string]struct {
		body   string
		status int
		code   string
		detail string
	}{
		"one bad":                     {"[" + good + `,{"specversion":"1.0"},` + good + "]", 422, "bad_event", "event 1: "},
		"one is no object":            {"[" + good + ",7]", 422, "bad_event", "event 1: "},
		"one is null":                 {"[null," + good + "]", 422, "bad_event", "event 0: "},
		"the only one":                {`[{}]`, 422, "bad_event", "event 0: "},
		"one with half a character":   {"[" + good + "," + about(`\ud83d`, "") + "]", 422, "bad_event", "event 1: "},
		"reserved type, after copies": {"[" + about("1", `,"topic":"a"`) + "," + about("2", `,"type":"weft.x"`) + "]", 422, "bad_event", "event 1: "},
		"one forbidden":               {"[" + good + "," + about("2", `,"user":"bob"`) + "]", 403, "forbidden", "event 1: "},
		"trailing garbage":            {"[" + good + "]x", 422, "bad_event", ""},
		"a second list":               {"[" + good + "][]", 422, "bad_event", ""},
		"trailing comma":              {"[" + good + ",]", 422, "bad_event", ""},
		"cut off":                     {"[" + good, 422, "bad_event", ""},
		"no list":                     {good, 422, "bad_event", ""},
		"nothing":                     {"", 422, "bad_event", ""},
		"not UTF-8 where none looks":  {"[" + about("1", ",\"data\":\"\xff\"") + "]", 422, "bad_event", ""},
		"too deep":                    {"[" + about("1", `,"data":`+strings.Repeat("[", 20000)+strings.Repeat("]", 20000)) + "]", 422, "bad_event", ""},
		"1001 events":                 {"[" + strings.Repeat(good+",", 1000) + good + "]", 413, "too_large", ""},
	} {
		i := New(config, nil, broken{errors.New("the store was asked")}, prometheus.NewRegistry())
		_, err := i.Accept(t.Context(), post("", c.body, "Content-Type", batchType), pub,
			func(s string) bool { return s != "user.bob" })
		expect(t, name, err, c.status, c.code)
		if p, ok := errors.AsType[*problem.Problem](err); ok && !strings.HasPrefix(p.Detail, c.detail) {
			t.Errorf("%s: %q does not begin with %q", name, p.Detail, c.detail)
		}
	}
}

func TestTheSameEventTwiceInABatchIsStoredOnce(t *testing.T) {
	i, n := open(t)
	ids, err := i.Accept(t.Context(), batchOf(about("1", ""), about("2", ""), about("1", `,"data":2`), about("3", "")), pub, all)
	if err != nil {
		t.Fatal(err)
	}
	if len(ids) != 4 || ids[2] != ids[0] {
		t.Errorf("ids %q", ids)
	}
	if stored := read(t, n, "user.ann"); len(stored) != 3 || string(stored[0].Data) != "" || stored[2].Header["ce-id"][0] != "3" {
		t.Errorf("%d stored", len(stored))
	}
}

func TestEventsOfManyUsersInABatchAreEachInOrder(t *testing.T) {
	i, n := open(t)
	const users, each = 7, 90
	var docs []string
	for k := range users * each {
		docs = append(docs, fmt.Sprintf(`{"specversion":"1.0","source":"/s","type":"t","user":"u%d","id":"%d"}`, k%users, k))
	}
	if _, err := i.Accept(t.Context(), batchOf(docs...), pub, all); err != nil {
		t.Fatal(err)
	}
	for u := range users {
		stored := read(t, n, fmt.Sprintf("user.u%d", u))
		if len(stored) != each {
			t.Fatalf("u%d: %d stored", u, len(stored))
		}
		for k, s := range stored {
			if id := s.Header["ce-id"][0]; id != strconv.Itoa(k*users+u) {
				t.Fatalf("u%d: event %d is %s", u, k, id)
			}
		}
	}
}
