package cloudevent

import (
	"bytes"
	"errors"
	"net/http"
	"testing"
)

func TestStructured(t *testing.T) {
	for doc, want := range map[string]Attributes{
		`{"specversion":"1.0","id":"1","source":"/s","type":"t"}`:                                      {ID: "1", Source: "/s", Type: "t"},
		`{"specversion":"0.3","id":"1","source":"/s","type":"t","user":"ann","topic":"hotel.42"}`:      {ID: "1", Source: "/s", Type: "t", User: "ann", Topic: "hotel.42"},
		`{"specversion":"1.0","id":"1","source":"/s","type":"t","user":9007199254740993,"topic":null}`: {ID: "1", Source: "/s", Type: "t", User: "9007199254740993"},
		`{"specversion":"0.2","id":"\u0031","source":"/s","type":"t"}`:                                 {ID: "1", Source: "/s", Type: "t"},
		`{"cloudEventsVersion":"0.1","eventID":"1","source":"/s","eventType":"t"}`:                     {ID: "1", Source: "/s", Type: "t"},
	} {
		if got, err := Structured([]byte(doc)); err != nil || got.Attributes != want {
			t.Errorf("%s: %+v, %v", doc, got, err)
		}
	}
	for _, doc := range []string{"", "[]", "{}", `"x"`, `{"specversion":1.0,"id":"1","source":"/s","type":"t"}`,
		`{"specversion":"1.1","id":"1","source":"/s","type":"t"}`, `{"specversion":"1.0","id":"","source":"/s","type":"t"}`,
		`{"specversion":"1.0","id":"1","type":"t"}`, `{"specversion":"1.0","id":"1","source":"/s"}`,
		`{"specversion":"1.0","id":1,"source":"/s","type":"t"}`, `{"specversion":"1.0","id":"1","source":"/s","type":"t","user":{}}`,
		"{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\",\"x\":\"\xff\"}"} {
		if got, err := Structured([]byte(doc)); !errors.Is(err, ErrEvent) {
			t.Errorf("%s: %+v, %v", doc, got, err)
		}
	}
}

func TestFromHTTPDecodesValues(t *testing.T) {
	x, err := FromHTTP(http.Header{"Ce-Specversion": {"1.0"}, "Ce-Id": {"a%20b%E2%82%AC"}, "Ce-Source": {`"/s\"%22"`},
		"Ce-Type": {"100%"}, "Ce-User": {"ann"}, "Ce-Bad-Name": {"x"}, "Other": {"y"}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := x.Attributes()
	if want := (Attributes{ID: "a b€", Source: `/s""`, Type: "100%", User: "ann"}); err != nil || a != want {
		t.Errorf("%+v, %v", a, err)
	}
	if len(x) != 5 {
		t.Errorf("%q", x)
	}
	for _, bad := range []http.Header{{"Ce-Id": {"a", "b"}}, {"Ce-Id": {"%FF"}}} {
		if x, err := FromHTTP(bad); !errors.Is(err, ErrEvent) {
			t.Errorf("%q: %q, %v", bad, x, err)
		}
	}
}

func TestFormOf(t *testing.T) {
	for contentType, want := range map[string]Form{
		"application/cloudevents+json":                      InBody,
		" Application/CloudEvents+JSON ; charset=utf-8":     InBody,
		"application/cloudevents-batch+json; charset=UTF-8": Batch,
		"application/cloudevents+avro":                      Unknown,
		"application/json":                                  Binary,
		"":                                                  Binary,
	} {
		if got := FormOf(contentType, true); got != want {
			t.Errorf("%q: %v, want %v", contentType, got, want)
		}
	}
	if FormOf("application/json", false) != None || FormOf("application/cloudevents+json", false) != InBody {
		t.Error("without a version header")
	}
}

func TestSplitKeepsBytes(t *testing.T) {
	events, err := Split([]byte(` [ {"a": 1e3 } ,{"b":"\u0041"}] `), 2)
	if err != nil || len(events) != 2 || string(events[0].Raw()) != `{"a": 1e3 }` || string(events[1].Raw()) != `{"b":"\u0041"}` {
		t.Errorf("%q, %v", events, err)
	}
	if events, err := Split([]byte("[1,2,3]"), 2); !errors.Is(err, ErrMany) {
		t.Errorf("%q, %v", events, err)
	}
	for _, doc := range []string{"", "{}", "[1]]", "[\"\xff\"]", "null"} {
		if events, err := Split([]byte(doc), 2); !errors.Is(err, ErrEvent) {
			t.Errorf("%q: %q, %v", doc, events, err)
		}
	}
}

// FuzzParse looks for what is accepted though it should not be.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"/s","type":"t"}`), "1.0", "a%20b")
	f.Add([]byte(`[{"specversion":"1.0","id":"1","source":"/s","type":"t"}]`), "0.3", `"\"%41"`)
	f.Fuzz(func(t *testing.T, doc []byte, version, value string) {
		if a, err := Structured(doc); err == nil && (a.ID == "" || a.Source == "" || a.Type == "") {
			t.Fatalf("accepted %+v", a)
		}
		if events, err := Split(doc, 10); err == nil {
			for _, e := range events {
				if !bytes.Contains(doc, e.Raw()) {
					t.Fatalf("%q is not of the batch", e.Raw())
				}
			}
		}
		x, err := FromHTTP(http.Header{"Ce-Specversion": {version}, "Ce-Id": {value}, "Ce-Source": {value}, "Ce-Type": {value}, "Ce-" + value: {value}})
		if err != nil {
			return
		}
		if a, err := x.Attributes(); err == nil && (a.ID == "" || a.Source == "" || a.Type == "") {
			t.Fatalf("accepted %+v", a)
		}
	})
}
