package route_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"weft/edge/route"
	"weft/edge/route/pattern"
	"weft/edge/route/template"
)

// message is what a request with these header lines becomes.
func message(t *testing.T, r *route.Route, url string, lines ...string) http.Header {
	t.Helper()
	p, err := pattern.Parse("/api/{rest...}")
	if err != nil {
		t.Fatal(err)
	}
	r.Name, r.Pattern = "orders", p
	in := httptest.NewRequest(http.MethodPost, url, nil)
	for i := 0; i < len(lines); i += 2 {
		in.Header.Add(lines[i], lines[i+1])
	}
	call := &route.Call{Route: r, Request: in, User: "ann@x.org", Session: "s 1%", Address: netip.MustParseAddr("192.0.2.7"), RequestID: "r1"}
	return call.MessageHeader()
}

func setHeader(t *testing.T, name, value string) route.SetHeader {
	t.Helper()
	v, err := template.Parse(value, template.Scope{Claims: true})
	if err != nil {
		t.Fatal(err)
	}
	return route.SetHeader{Name: name, Value: v}
}

const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestAMessageSaysWhatTheRequestWasAndNothingThatIsNotListed(t *testing.T) {
	got := message(t, &route.Route{Scheme: route.NATS}, "/api/a%2Fb?x=1;2&access_token=secret&%61ccess_token=secret&y=%zz",
		"Content-Type", "application/json", "Content-Encoding", "gzip", "Accept", "text/plain", "Accept", "text/html",
		"Accept-Language", "de", "Idempotency-Key", "k", "Traceparent", trace,
		"Authorization", "Bearer secret", "Cookie", "weft_token=secret", "X-Other", "x", "Ce-Type", "order", "Forwarded", "for=evil",
		"Weft-User", "eve", "X-Request-Id", "forged", "Weft-Else", "x")
	want := http.Header{"Weft-Method": {"POST"}, "Weft-Path": {"/api/a%2Fb"}, "Weft-Query": {"x=1;2&y=%zz"}, "Weft-Route": {"orders"},
		"Weft-User": {"ann@x.org"}, "Weft-Session": {"s%201%25"}, "Weft-Address": {"192.0.2.7"}, "X-Request-Id": {"r1"}, "Traceparent": {trace},
		"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}, "Accept": {"text/plain", "text/html"}, "Accept-Language": {"de"}, "Idempotency-Key": {"k"}}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestWhatARouteSetsOrPassesIsThereButNeverInPlaceOfOurs(t *testing.T) {
	r := &route.Route{Scheme: route.NATS, RequestHeaders: route.RequestHeaders{
		Pass: []string{"Authorization", "Cookie", "X-Other", "Weft-Forged", "Weft_user", "Weft-User", "X-Absent"},
		Set:  []route.SetHeader{setHeader(t, "X-Tenant", "t1"), setHeader(t, "Accept", "application/json"), setHeader(t, "X-Request-Id", "mine")}}}
	got := message(t, r, "/api/", "Authorization", "Basic x", "Cookie", "a=1; weft_token=secret; b=2", "Cookie", "weft_token=secret",
		"X-Other", "1", "X-Other", "2", "Weft-Forged", "x", "Weft_user", "eve", "Weft-User", "eve", "Accept", "text/html")
	for name, want := range map[string][]string{"Authorization": {"Basic x"}, "Cookie": {"a=1; b=2"}, "X-Other": {"1", "2"}, "X-Tenant": {"t1"},
		"Accept": {"application/json"}, "X-Request-Id": {"r1"}, "Weft-User": {"ann@x.org"}, "Weft-Forged": nil, "Weft_user": nil, "X-Absent": nil} {
		if !slices.Equal(got[name], want) {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	r.PassToken = true
	got = message(t, r, "/api/?access_token=t", "Cookie", "weft_token=t")
	if got.Get("Cookie") != "weft_token=t" || got.Get("Weft-Query") != "access_token=t" {
		t.Errorf("a route that hands the token on: %v", got)
	}
}

func TestARecordForKafkaHasTheHeadersOfACloudEvent(t *testing.T) {
	got := message(t, &route.Route{Scheme: route.Kafka}, "/api/", "ce-type", "order", "Ce-Source", "/shop", "Cellar", "x")
	if got.Get("Ce-Type") != "order" || got.Get("Ce-Source") != "/shop" || got.Get("Cellar") != "" {
		t.Errorf("%v", got)
	}
}

func TestWithoutATokenAMessageNamesNobody(t *testing.T) {
	call := &route.Call{Route: &route.Route{Scheme: route.NATS}, Request: httptest.NewRequest(http.MethodGet, "/", nil)}
	call.Request.Header.Set("Weft-User", "eve")
	for name := range call.MessageHeader() {
		if name == "Weft-User" || name == "Weft-Session" || name == "Weft-Address" {
			t.Errorf("it has %s", name)
		}
	}
}

// No name or value of a message can end a line of its header, and none but ours is called Weft-.
func FuzzMessageHeader(f *testing.F) {
	f.Add("/api/x?access_token=a", "a\r\nb", "ann\r\nWeft-Admin: 1", "Weft_User", trace)
	f.Add("/api/%0d%0a", "x", "ä%", "X-A", "00-x")
	f.Fuzz(func(t *testing.T, url, value, user, pass, parent string) {
		in := httptest.NewRequest(http.MethodGet, "/api/x", nil)
		if u, err := in.URL.Parse(url); err == nil {
			in.URL = u
		}
		pass = http.CanonicalHeaderKey(pass)
		in.Header = http.Header{pass: {value}, "Accept": {value}, "Traceparent": {parent}, "Cookie": {value}}
		p, err := pattern.Parse("/api/{rest...}")
		if err != nil {
			t.Fatal(err)
		}
		call := &route.Call{Request: in, User: user, RequestID: "r1",
			Route: &route.Route{Pattern: p, Scheme: route.NATS, RequestHeaders: route.RequestHeaders{Pass: []string{pass, "Cookie"}}}}
		for name, values := range call.MessageHeader() {
			for _, v := range values {
				if strings.ContainsAny(v, "\r\n\x00") {
					t.Errorf("%s is %q", name, v)
				}
			}
			if strings.HasPrefix(name, "Weft-") && !slices.Contains([]string{"Weft-Method", "Weft-Path", "Weft-Query", "Weft-Route", "Weft-User"}, name) {
				t.Errorf("it has %s", name)
			}
		}
		if got := call.MessageHeader().Get("Weft-User"); got != route.Visible(user) {
			t.Errorf("the user %q is %q", user, got)
		}
	})
}

func TestATraceparentIsTakenOnlyAsTheStandardHasIt(t *testing.T) {
	for value, want := range map[string]bool{trace: true, "": false, trace + "-x": false, "01" + trace[2:] + "-more": true, "01" + trace[2:] + "x": false,
		"ff" + trace[2:]: false, strings.ToUpper(trace): false, "00-" + strings.Repeat("0", 32) + trace[35:]: false,
		trace[:36] + strings.Repeat("0", 16) + trace[52:]: false, trace[:54]: false, strings.Replace(trace, "-", "_", 1): false} {
		if got := route.ValidTraceparent(value); got != want {
			t.Errorf("%q is valid: %v, want %v", value, got, want)
		}
	}
}
