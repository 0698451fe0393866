package route_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"weft/edge/route"
)

func claims(t *testing.T, text string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var c map[string]any
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWhatARouteRequiresIsMetByAnyValueOfEachPointer(t *testing.T) {
	r := parse(t, httpDoc(`,"auth":{"require":{"/roles":["buyer","admin"],"/tenant/id":["7"],"/ok":["true"]}}`))
	for text, want := range map[string]bool{
		`{"roles":["x","buyer"],"tenant":{"id":7},"ok":true}`:      true,
		`{"roles":"admin","tenant":{"id":"7"},"ok":["true"]}`:      true,
		`{"roles":[["buyer"]],"tenant":{"id":7},"ok":true}`:        false,
		`{"roles":["buyers"],"tenant":{"id":7},"ok":true}`:         false,
		`{"roles":["Buyer"],"tenant":{"id":7},"ok":true}`:          false,
		`{"roles":["buyer"],"tenant":{"id":7.0},"ok":true}`:        false,
		`{"roles":["buyer"],"tenant":{"id":7},"ok":false}`:         false,
		`{"roles":["buyer"],"tenant":{"id":7}}`:                    false,
		`{"roles":["buyer"],"tenant":7,"ok":true}`:                 false,
		`{"roles":{"buyer":true},"tenant":{"id":7},"ok":true}`:     false,
		`{"roles":[],"tenant":{"id":7},"ok":true}`:                 false,
		`{"roles":null,"tenant":{"id":7},"ok":true}`:               false,
		`{"/roles":["buyer"],"/tenant/id":7,"/ok":true,"roles":1}`: false,
		`{}`: false,
	} {
		if got := r.Met(claims(t, text)); got != want {
			t.Errorf("%s meets it: %v, want %v", text, got, want)
		}
	}
	if r.Met(nil) {
		t.Error("no claims meet it")
	}
	if !parse(t, httpDoc("")).Met(nil) {
		t.Error("a route that requires nothing is not met")
	}
}

func call(r *route.Route, target string) *route.Call {
	return &route.Call{Route: r, Request: httptest.NewRequest(http.MethodPost, target, nil)}
}

func TestTheFirstParameterOfAQueryCountsHoweverItIsEscaped(t *testing.T) {
	for query, want := range map[string]string{
		"a=1&a=2":       "1",
		"b=1&a=x+y%20z": "x y z",
		"%61=1":         "1",
		"a=1;b=2":       "1;b=2",
		"a=%zz&a=2":     "%zz",
		"a":             "",
		"&&a=&a=1":      "",
		"b=a=1":         "-",
		"":              "-",
		"A=1":           "-",
	} {
		got, ok := call(nil, "/?"+query).Query("a")
		if !ok {
			got = "-"
		}
		if got != want {
			t.Errorf("%s has %q, want %q", query, got, want)
		}
	}
}

func TestWhatIsMissingIsNotSetNorIsTheClientsOwn(t *testing.T) {
	r := parse(t, httpDoc(`,"request_headers":{"set":{"X-Id":"{id}","X-Rest":"{rest}","X-Tenant":"{/tenant/0}","X-None":"{/none}","X-User":"{user}","X-Host":"{header:host}","X-Break":"{query:q}"}}`))
	c := call(r, "http://shop.example.com/a/1%202/b/c?q=%0d%0aX-Admin:1")
	c.Values, c.Claims = []string{"1%202", "b/c"}, claims(t, `{"tenant":["t1"]}`)
	h := http.Header{"X-None": {"the client's"}}
	c.SetHeaders(h)
	want := map[string]string{"X-Id": "1 2", "X-Rest": "b/c", "X-Tenant": "t1", "X-Host": "shop.example.com"}
	for name, value := range want {
		if h.Get(name) != value {
			t.Errorf("%s is %q, want %q", name, h.Get(name), value)
		}
	}
	if len(h) != len(want) {
		t.Errorf("got %v", h)
	}
}

func TestAKeyIsAnyTextOrNone(t *testing.T) {
	r := parse(t, kafkaDoc(`,"key":"{/tenant}/{id}","cloudevent":{"type":"order.{/type}","source":"/shop"}`))
	c := call(r, "/a/1")
	c.Values = []string{"%2e%2e%2fx%0a", ""}
	if key, ok := c.Key(); ok {
		t.Errorf("a key without its claim is %q", key)
	}
	if got, ok := c.CloudEventType(); ok {
		t.Errorf("a type without its claim is %q", got)
	}
	c.Claims = claims(t, `{"tenant":"../x","type":["placed"]}`)
	if key, ok := c.Key(); !ok || key != "../x/../x\n" {
		t.Errorf("the key is %q, %v", key, ok)
	}
	if got, ok := c.CloudEventType(); !ok || got != "order.placed" {
		t.Errorf("the type is %q, %v", got, ok)
	}
	c.Claims = claims(t, `{"tenant":["a","b"],"type":"a\nb"}`)
	if key, ok := c.Key(); ok {
		t.Errorf("a key of a list is %q", key)
	}
	if got, ok := c.CloudEventType(); ok {
		t.Errorf("a type with a line break is %q", got)
	}
	if _, ok := call(parse(t, kafkaDoc("")), "/").Key(); ok {
		t.Error("a route without a key makes one")
	}
	if key, ok := call(parse(t, kafkaDoc(`,"key":"{query:k}"`)), "/?k=").Key(); ok {
		t.Errorf("a key of nothing is %q", key)
	}
}
