package cloudevent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"unicode/utf8"

	"weft/bridge/pointer"
)

// with makes a structured event of version 1.0; rest are further members.
func with(rest string) string {
	return `{"specversion":"1.0","id":"1","source":"/s","type":"t"` + rest + `}`
}

// many are n members.
func many(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func TestDataIsThePayloadAsItIsWritten(t *testing.T) {
	for doc, want := range map[string]struct {
		data, contentType string
		json              bool
	}{
		with(``):              {"", "", false},
		with(`,"data":null`):  {"null", "application/json", true},
		with(`,"data":"a\n"`): {`"a\n"`, "application/json", true},
		with(`,"data": { "a" : 1e3, "b":[ 12345678901234567890 ] } `):      {`{ "a" : 1e3, "b":[ 12345678901234567890 ] }`, "application/json", true},
		with(`,"datacontenttype":"Application/X+JSON; v=1","data":"a"`):    {`"a"`, "Application/X+JSON; v=1", true},
		with(`,"datacontenttype":"text/json","data":[1 ]`):                 {"[1 ]", "text/json", true},
		with(`,"datacontenttype":"text/xml","data":"<a>\u00fc\"<\/a>"`):    {`<a>ü"</a>`, "text/xml", false},
		with(`,"datacontenttype":"text/xml","data":{"a": 1}`):              {`{"a": 1}`, "text/xml", true},
		with(`,"datacontenttype":"text/xml"`):                              {"", "text/xml", false},
		with(`,"data_base64":"AP8="`):                                      {"\x00\xff", "", false},
		with(`,"data_base64":"\u0041P8=","datacontenttype":"image/png"`):   {"\x00\xff", "image/png", false},
		with(`,"data_base64":"eyJhIjoxfQ==","datacontenttype":"x/y+json"`): {`{"a":1}`, "x/y+json", false},
		with(`,"data_base64":null,"data":1`):                               {"1", "application/json", true},
		with(`,"data":1,"data":2`):                                         {"2", "application/json", true},
		`{"specversion":"0.3","id":"1","source":"/s","type":"t","datacontentencoding":"base64","datacontenttype":"a/b","data":"AP8="}`:        {"\x00\xff", "a/b", false},
		`{"specversion":"0.2","id":"1","source":"/s","type":"t","contenttype":"text/plain","data":"a"}`:                                       {"a", "text/plain", false},
		`{"cloudEventsVersion":"0.1","eventID":"1","source":"/s","eventType":"t","contentType":"text/plain","data":"a"}`:                      {"a", "text/plain", false},
		`{"cloudEventsVersion":"0.1","eventID":"1","source":"/s","eventType":"t","extensions":{"contentType":"text/plain","x":1},"data":"a"}`: {"a", "text/plain", false},
	} {
		e, err := Structured([]byte(doc))
		if err != nil || string(e.Data) != want.data || e.ContentType != want.contentType || e.JSON != want.json {
			t.Errorf("%s: %q, %q, %v, %v", doc, e.Data, e.ContentType, e.JSON, err)
		}
	}
}

func TestAttributesAreHeadersOfVersion1(t *testing.T) {
	must := map[string]string{"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s"}
	for doc, more := range map[string]map[string]string{
		with(``): {},
		with(`,"subject":"a b%\"é\u0001","time":"2026-01-01T00:00:00Z","n":-7,"b":false,"gone":null,"user":"ann"`): {
			"ce-subject": "a%20b%25%22%C3%A9%01", "ce-time": "2026-01-01T00:00:00Z", "ce-n": "-7", "ce-b": "false", "ce-user": "ann"},
		with(`,"my_ext":"1","a-b.c":"2","partitionKey":"k","extensions":{"a":1},"schemaurl":"u"`): {
			"ce-my_ext": "1", "ce-a-b.c": "2", "ce-partitionkey": "k", "ce-extensions": "{%22a%22:1}", "ce-schemaurl": "u"},
		with(`,"dataschema":"u","datacontenttype":"text/plain","eventid":"x"`): {"ce-dataschema": "u", "ce-eventid": "x", "content-type": "text/plain"},
		`{"specversion":"0.3","id":"1","source":"/s","type":"t","schemaurl":"u","datacontentencoding":"base64","list":[1, 2]}`: {
			"ce-dataschema": "u", "ce-list": "[1,%202]"},
		`{"specversion":"0.2","id":"1","source":"/s","type":"t","schemaurl":"u","contenttype":"a/b"}`: {"ce-dataschema": "u", "content-type": "a/b"},
		`{"cloudEventsVersion":"0.1","eventID":"1","source":"/s","eventType":"t","eventTypeVersion":"2","eventTime":"now","schemaURL":"u","contentType":"a/b",
			"extensions":{"x":1,"data":2,"Y":"z","source":"/other"}}`: {
			"ce-eventtypeversion": "2", "ce-time": "now", "ce-dataschema": "u", "content-type": "a/b", "ce-x": "1", "ce-y": "z"},
	} {
		want := maps.Clone(must)
		maps.Copy(want, more)
		e, err := Structured([]byte(doc))
		got := map[string]string{}
		if e.Header(got); err != nil || e.Type != "t" || !maps.Equal(got, want) {
			t.Errorf("%s: %q, want %q, %v", doc, got, want, err)
		}
	}
}

func TestWhatCannotBeTakenApartIsRefused(t *testing.T) {
	for _, rest := range []string{
		`,"data":1,"data_base64":"AA=="`, `,"data_base64":7`, `,"data_base64":"A"`, `,"data_base64":"AA-_"`, `,"data_base64":{}`,
		`,"datacontenttype":"text/plain","data":"\ud800"`, `,"datacontenttype":"a\r\nb"`, `,"datacontenttype":"ü"`, `,"datacontenttype":7`,
		`,"datacontenttype":"` + strings.Repeat("a", 513) + `"`,
		`,"a b":1`, `,"":1`, `,"ü":1`, `,"a:b":1`, `,"\ud800":1`, `,"` + strings.Repeat("a", 101) + `":1`, `,"a\r\nNats-Msg-Id":"1"`,
		`,"ID":"2"`, `,"aB":"2","ab":"3"`, `,"aB":"2","Ab":"3"`, `,"ext":"\ud800"`, `,"topic":[1]`, `,"user":{"a":1}`,
		many(1001, `,"a%d":1`), many(1001, `,"A%d":null`), `,"specversion":null,"cloudEventsVersion":"0.1","eventID":"1","eventType":"t","extensions":{"x":1` + many(1001, `,"a%d":1`) + "}",
	} {
		if e, err := Structured([]byte(with(rest))); !errors.Is(err, ErrEvent) {
			t.Errorf("%s: %+v, %v", rest, e, err)
		}
	}
}

func TestOneThatSaysWhomItIsForNeedNotSayWhatItIs(t *testing.T) {
	for doc, want := range map[string]bool{
		with(`,"user":"a"`): true, with(`,"topic":"a"`): true, with(`,"topic":"a","user":null`): true, `{"topic":"a", "type":"","source":1,"id":2,"specversion":3}`: true,
		with(``): false, with(`,"user":null`): false, `{"user":"a","id":"1","source":"s","type":"t"}`: false, `[{"user":"a"}]`: false, `"user"`: false, `{}`: false,
		`{"data":{"specversion":"1.0","id":"1","source":"/s","type":"t","user":"a"}}`: false,
	} {
		d, err := pointer.Parse([]byte(doc))
		if got := Addressed(d); err != nil || got != want {
			t.Errorf("%s: %v, %v", doc, got, err)
		}
	}
}

func TestAValueInAHeaderComesBack(t *testing.T) {
	for value, want := range map[string]string{"": "", "a/b?c=d&e": "a/b?c=d&e", " a": "%20a", `"a"`: "%22a%22", "100%": "100%25", "€\r\n\x7f": "%E2%82%AC%0D%0A%7F", "a+b": "a+b"} {
		if got := Encoded(value); got != want || Decoded(got) != value {
			t.Errorf("%q: %q, and back %q", value, got, Decoded(got))
		}
	}
}

func TestAttributesInHeadersHoldNoControlCharacters(t *testing.T) {
	for _, value := range []string{"a\r\nNats-Msg-Id: x", "a\x00", "\x7f", "a\u0085", "\xff"} {
		if err := (Extensions{}).Add("id", value); !errors.Is(err, ErrEvent) {
			t.Errorf("%q: %v", value, err)
		}
	}
	x := Extensions{}
	if err := x.Add("Data", "x"); err != nil || len(x) > 0 {
		t.Errorf("%q, %v: data is no attribute", x, err)
	}
}

// FuzzStructured takes whatever it is given apart: nothing that could end a header comes out,
// each value comes back, and the data is what encoding/json finds.
func FuzzStructured(f *testing.F) {
	for _, rest := range []string{"", `,"data":{"a":1},"n":1.50,"a":"\r\n"`, `,"data_base64":"AP8=","datacontenttype":"x/y"`, `,"data":"a","datacontenttype":"text/plain"`,
		`,"extensions":{"a":[]},"aB":1`, `,"da\u0074a":1,"data":2`} {
		f.Add([]byte(with(rest)))
	}
	f.Add([]byte(`{"cloudEventsVersion":"0.1","eventID":"1","source":"/s","eventType":"t","extensions":{"x":1}}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		e, err := Structured(doc)
		if err != nil {
			if !errors.Is(err, ErrEvent) {
				t.Fatal(err)
			}
			return
		}
		h := map[string]string{}
		e.Header(h)
		for name, value := range h {
			if name != "content-type" && (!strings.HasPrefix(name, "ce-") || name != strings.ToLower(name)) || strings.ContainsAny(name, " :\r\n") {
				t.Fatalf("header %q", name)
			}
			for i := range len(value) {
				if c := value[i]; c < ' ' || c >= 0x7f {
					t.Fatalf("header %s: %q", name, value)
				}
			}
			if name != "content-type" && (Encoded(Decoded(value)) != value || !utf8.ValidString(Decoded(value))) {
				t.Fatalf("header %s: %q does not come back", name, value)
			}
		}
		if h["ce-id"] == "" || h["ce-source"] == "" || h["ce-specversion"] != "1.0" || e.Type == "" {
			t.Fatalf("%q", h)
		}
		var plain map[string]json.RawMessage
		if e.JSON && (json.Unmarshal(doc, &plain) != nil || !bytes.Equal(e.Data, plain["data"])) {
			t.Fatalf("data %q, want %q", e.Data, plain["data"])
		}
		if e.JSON && (!json.Valid(e.Data) || !bytes.Contains(doc, e.Data)) {
			t.Fatalf("data %q is not of the document", e.Data)
		}
	})
}
