package route_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"weft/edge/route"
)

// doc is a document of a target with more members, which begin with a comma.
func doc(pattern, target, more string) string {
	p, _ := json.Marshal(pattern)
	t, _ := json.Marshal(target)
	return `{"pattern":` + string(p) + `,"target":` + string(t) + more + `}`
}

func httpDoc(more string) string { return doc("/a/{id}/{rest...}", "http://b:80", more) }
func natsDoc(more string) string { return doc("/a/{id}/{rest...}", "nats://svc.a", more) }
func kafkaDoc(more string) string {
	return doc("POST /a/{id}/{rest...}", "kafka://orders", more)
}
func patternDoc(pattern string) string { return doc(pattern, "http://b", "") }
func targetDoc(target string) string   { return doc("/a/{id}/{rest...}", target, "") }

// A fault is something wrong with a document, and that it is said.
type fault struct {
	document      string
	field, detail string
}

var faults = []fault{
	{``, "", "is no JSON object: it is empty"},
	{`[]`, "", "is no JSON object"},
	{`"a"`, "", "is no JSON object"},
	{`null`, "", "is no JSON object"},
	{`{"pattern":"/a"`, "", "is no JSON object: line 1, column 15: unexpected end"},
	{"{\n \"pattern\": \"/a\",\n}", "", "is no JSON object: line 3, column 1"},
	{`{} {}`, "", "is no JSON object"},
	{"\ufeff{}", "", "is no JSON object: it begins with a byte order mark"},
	{"{\"pattern\":\"\xff\"}", "", "is no JSON object: it is not UTF-8"},
	{httpDoc(`,"description":"` + strings.Repeat("x", 64<<10) + `"`), "", "is longer than 64 KiB"},
	{httpDoc(`,"x":` + strings.Repeat("[", 17) + strings.Repeat("]", 17)), "", "is nested in more than 16 levels"},
	{httpDoc(`,"pattern":"/b"`), "", `names "pattern" twice`},
	{httpDoc(`,"p\u0061ttern":"/b"`), "", `names "pattern" twice`},
	{httpDoc(`,"auth":{"mode":"none","mode":"token"}`), "", `names "mode" twice, in auth`},
	{httpDoc(`,"auth":{"require":{"/a":["b"],"/a":["c"]}}`), "", `names "/a" twice, in auth.require`},
	{httpDoc(`,"\ud800":1`), "", "names a member with half of a surrogate pair"},

	{httpDoc(`,"tmeout":"1s"`), "tmeout", `is unknown; did you mean "timeout"?`},
	{httpDoc(`,"Timeout":"1s"`), "Timeout", `is unknown; did you mean "timeout"?`},
	{httpDoc(`,"weight":1`), "weight", `is unknown`},
	{httpDoc(`,"auth":{"mod":"token"}`), "auth.mod", `is unknown; did you mean "mode"?`},
	{httpDoc(`,"request_headers":{"add":{}}`), "request_headers.add", "is unknown"},
	{httpDoc(`,"rate":{"per":"route","limit":"1/s","bursts":1}`), "rate.bursts", `is unknown; did you mean "burst"?`},
	{kafkaDoc(`,"connect_timeout":"1s"`), "connect_timeout", "is not for a target of scheme kafka"},
	{natsDoc(`,"idle_timeout":"1s"`), "idle_timeout", "is not for a target of scheme nats"},
	{natsDoc(`,"preserve_host":true`), "preserve_host", "is not for a target of scheme nats"},
	{natsDoc(`,"reply":{}`), "reply", "is not for a target of scheme nats"},
	{natsDoc(`,"key":"{id}"`), "key", "is not for a target of scheme nats"},
	{httpDoc(`,"key":"{id}"`), "key", "is not for a target of scheme http"},
	{doc("/", "https://b", `,"cloudevent":{"type":"a","source":"b"}`), "cloudevent", "is not for a target of scheme https"},
	{httpDoc(`,"request_headers":{"pass":["X-A"]}`), "request_headers.pass", "is not for a target of scheme http"},
	{`{"pattern":"/","targets":["nats://svc.a"]}`, "targets", "is not for a target of scheme nats"},

	{`{"target":"http://b"}`, "pattern", "is missing"},
	{`{"pattern":5,"target":"http://b"}`, "pattern", "is no string"},
	{`{"pattern":null,"target":"http://b"}`, "pattern", "is no string"},
	{patternDoc(""), "pattern", "is missing"},
	{patternDoc("/" + strings.Repeat("a", 1024)), "pattern", "is longer than 1024 bytes"},
	{patternDoc("get /a"), "pattern", `method "get" is not upper case`},
	{patternDoc("CONNECT /a"), "pattern", "CONNECT and TRACE are not forwarded"},
	{patternDoc("TRACE /a"), "pattern", "CONNECT and TRACE are not forwarded"},
	{patternDoc("GET example.com"), "pattern", "has no path; it begins with /"},
	{patternDoc("/_weft/v1"), "pattern", "/_weft/ is Weft's own"},
	{patternDoc("/%5fweft/v1"), "pattern", "/_weft/ is Weft's own"},
	{patternDoc("/a/../b"), "pattern", `has a "." or ".." segment`},
	{patternDoc("/a/%2e/b"), "pattern", `has a "." or ".." segment`},
	{patternDoc("/a//b"), "pattern", "has an empty segment"},
	{patternDoc("/a/{x}b"), "pattern", `"{x}b": a placeholder is a whole segment`},
	{patternDoc("/a/{x...}/b"), "pattern", "{x...} is not the last segment"},
	{patternDoc("/{x}/{x}"), "pattern", "names {x} twice"},
	{patternDoc("Shop.example.com/a"), "pattern", "host is not a lower-case name without a port"},
	{patternDoc("shop.example.com:80/a"), "pattern", "host is not a lower-case name without a port"},
	{patternDoc(strings.Repeat("/a", 33)), "pattern", "more than 32 segments"},
	{doc("GET /a", "kafka://orders", ""), "pattern", "GET is not for a target of scheme kafka without reply"},
	{doc("HEAD /a", "kafka://orders", ""), "pattern", "HEAD is not for a target of scheme kafka without reply"},
	{doc("OPTIONS /a", "kafka://orders", ""), "pattern", "OPTIONS is not for a target of scheme kafka without reply"},

	{`{"pattern":"/a"}`, "target", "is missing"},
	{`{"pattern":"/a","target":"http://b","targets":["http://b"]}`, "target", "both target and targets"},
	{`{"pattern":"/a","target":["http://b"]}`, "target", "is no string"},
	{targetDoc("ftp://b"), "target", `scheme "ftp" is none of http, https, h2c, nats, kafka`},
	{targetDoc("HTTP://b"), "target", `scheme "HTTP" is none of`},
	{targetDoc("localhost:8080"), "target", `scheme "" is none of http, https, h2c, nats, kafka; write one like http://host:8080`},
	{targetDoc(""), "target", `scheme "" is none of`},
	{targetDoc("http://"), "target", "has no host"},
	{targetDoc("http:///a"), "target", "has no host"},
	{targetDoc("http://:80/a"), "target", "has no host"},
	{targetDoc("http://{id}.b/a"), "target", "a placeholder in the host"},
	{targetDoc("http://b:{id}/a"), "target", "a placeholder in the host"},
	{targetDoc("http://{/sub}/a"), "target", "a placeholder in the host"},
	{targetDoc("http://u:p@b/a"), "target", "user and password do not belong here; use upstreams"},
	{targetDoc("http://b:0/a"), "target", `port "0" is not 1 to 65535`},
	{targetDoc("http://b:/a"), "target", `port "" is not 1 to 65535`},
	{targetDoc("http://b:65536/a"), "target", `port "65536" is not 1 to 65535`},
	{targetDoc("http://b c/a"), "target", `host "b c" is no name`},
	{targetDoc("http://münchen/a"), "target", `host "münchen" is no name`},
	{targetDoc("http://[::1/a"), "target", "is no IPv6 address in brackets"},
	{targetDoc("http://[1.2.3.4]/a"), "target", "is no IPv6 address in brackets"},
	{targetDoc("http://b/a#c"), "target", `has a fragment, "#c"`},
	{targetDoc("http://b/a b"), "target", `" " is not for a path; escape it as %20`},
	{targetDoc("http://b/ä"), "target", `is not for a path; escape it as %C3`},
	{targetDoc(`http://b/a\b`), "target", `is not for a path; escape it as %5C`},
	{targetDoc("http://b/a%2"), "target", "has a malformed %"},
	{targetDoc("http://b/a%00"), "target", "has a control character"},
	{targetDoc("http://b/%2{id}"), "target", "has a malformed %"},
	{targetDoc("http://b/{id"), "target", "{ without }"},
	{targetDoc("http://b/id}"), "target", "} without {"},
	{targetDoc("http://b/a/../c"), "target", `has a "." or ".." segment`},
	{targetDoc("http://b/a/%2e%2e/c"), "target", `has a "." or ".." segment`},
	{targetDoc("http://b/a/..;/c"), "target", `has a "." or ".." segment`},
	{targetDoc("http://b?a={id}"), "target", "a placeholder in the query"},
	{targetDoc("http://b?a=b c"), "target", `" " is not for a query; escape it as %20`},
	{targetDoc("http://b/{y}"), "target", "{y} is not in the pattern"},
	{targetDoc("http://b/{rest...}"), "target", "{rest...} is not in the pattern; the rest is {rest} here"},
	{targetDoc("http://b/{/sub}"), "target", "{/sub} is not for the path of a target"},
	{targetDoc("http://b/{user}"), "target", "{user} is not for the path of a target"},
	{targetDoc("http://b/{header:x}"), "target", "{header:x} is not for the path of a target"},
	{doc("/api/", "http://b/v1", ""), "target", "the pattern ends in /; name the rest, /api/{rest...}, and use {rest}"},
	{doc("GET shop.example.com/api/", "http://b/", ""), "target", "the pattern ends in /; name the rest, /api/{rest...}, and use {rest}"},
	{targetDoc("nats://orders.a"), "target", "subject does not begin with svc."},
	{targetDoc("nats://svc."), "target", "subject does not begin with svc."},
	{targetDoc("nats://svc"), "target", "subject does not begin with svc."},
	{targetDoc("nats://svc.a..b"), "target", "has an empty token"},
	{targetDoc("nats://svc.a b"), "target", `"a b" is no token`},
	{targetDoc("nats://svc.>"), "target", `">" is no token`},
	{targetDoc("nats://svc.a{id}"), "target", `"a{id}": a placeholder is a whole token`},
	{targetDoc("nats://svc.{id}{id}"), "target", `a placeholder is a whole token`},
	{targetDoc("nats://svc.{y}"), "target", "{y} is not in the pattern"},
	{targetDoc("nats://svc.{session}"), "target", "{session} is not for a subject"},
	{targetDoc("nats://svc.{query:a}"), "target", "{query:a} is not for a subject"},
	{targetDoc("nats://svc.{/a~2}"), "target", "{/a~2} is no JSON Pointer"},
	{doc("/a", "nats://svc.{/sub}", `,"auth":{"mode":"none"}`), "target", "{/sub} is a claim, which needs mode token or optional"},
	{doc("/a", "nats://svc.{user}", `,"auth":{"mode":"none"}`), "target", "{user} is of a token, which needs mode token or optional"},
	{doc("/a/{user}", "nats://svc.{user}", ""), "target", "{user} has two meanings"},
	{targetDoc("nats://svc" + strings.Repeat(".a", 16)), "target", "has more than 16 tokens"},
	{targetDoc("nats://svc." + strings.Repeat("a", 201)), "target", "is no token"},
	{doc("POST /a", "kafka://a b", ""), "target", `"a b" is no topic`},
	{doc("POST /a", "kafka://", ""), "target", `"" is no topic`},
	{doc("POST /a", "kafka://..", ""), "target", `".." is no topic`},
	{doc("POST /a/{id}", "kafka://{id}", ""), "target", `"{id}" is no topic`},
	{doc("POST /a", "kafka://"+strings.Repeat("a", 250), ""), "target", "is no topic"},

	{`{"pattern":"/a","targets":[]}`, "targets", "has 0 elements, not 1 to 16"},
	{`{"pattern":"/a","targets":["http://b"` + strings.Repeat(`,"http://b"`, 16) + `]}`, "targets", "has 17 elements, not 1 to 16"},
	{`{"pattern":"/a","targets":"http://b"}`, "targets", "is no list"},
	{`{"pattern":"/a","targets":["http://b",5]}`, "targets[1]", "is no string"},
	{`{"pattern":"/a","targets":["http://b","ftp://c"]}`, "targets[1]", `scheme "ftp" is none of`},
	{`{"pattern":"/a","targets":["http://b","https://c"]}`, "targets[1]", `has scheme "https" where the first one has "http"`},
	{`{"pattern":"/a","targets":["http://b","http://c/x"]}`, "targets[1]", "has another path than the first one"},
	{`{"pattern":"/a","targets":["http://b?a=1","http://c?a=2"]}`, "targets[1]", "has another query than the first one"},

	{httpDoc(`,"description":"` + strings.Repeat("x", 501) + `"`), "description", "is longer than 500 bytes"},
	{httpDoc(`,"description":"\ud800"`), "description", "holds half of a surrogate pair"},
	{httpDoc(`,"auth":"none"`), "auth", "is no object"},
	{httpDoc(`,"auth":{"mode":"off"}`), "auth.mode", `"off" is none of token, optional, none`},
	{httpDoc(`,"auth":{"require":{"roles":["a"]}}`), "auth.require", `"roles" is no JSON Pointer`},
	{httpDoc(`,"auth":{"require":{"":["a"]}}`), "auth.require", `"" is no JSON Pointer`},
	{httpDoc(`,"auth":{"require":{"/a~":["a"]}}`), "auth.require", `"/a~" is no JSON Pointer`},
	{httpDoc(`,"auth":{"require":{}}`), "auth.require", "has 0 elements, not 1 to 16"},
	{httpDoc(`,"auth":{"require":{"/roles":[]}}`), "auth.require", `"/roles": has 0 elements, not 1 to 64`},
	{httpDoc(`,"auth":{"require":{"/roles":"a"}}`), "auth.require", `"/roles": is no list`},
	{httpDoc(`,"auth":{"require":["/roles"]}`), "auth.require", `is no object`},
	{httpDoc(`,"auth":{"mode":"optional","require":{"/roles":["a"]}}`), "auth.require", "needs mode token"},
	{httpDoc(`,"auth":{"pass_token":"yes"}`), "auth.pass_token", "is neither true nor false"},
	{httpDoc(`,"body_limit":"many"`), "body_limit", "is no size like 10MiB"},
	{httpDoc(`,"body_limit":-1`), "body_limit", "is no size like 10MiB"},
	{httpDoc(`,"body_limit":"-1"`), "body_limit", "is no size like 10MiB"},
	{httpDoc(`,"body_limit":true`), "body_limit", "is no size like 10MiB"},
	{natsDoc(`,"body_limit":"2MiB"`), "body_limit", "is not between 0 and 1MiB"},
	{kafkaDoc(`,"body_limit":"none"`), "body_limit", "is not between 0 and 1MiB"},
	{httpDoc(`,"connect_timeout":"9ms"`), "connect_timeout", "is not between 10ms and 1m"},
	{httpDoc(`,"timeout":"99ms"`), "timeout", "is not between 100ms and 10m"},
	{httpDoc(`,"timeout":"10m1ns"`), "timeout", "is not between 100ms and 10m"},
	{httpDoc(`,"timeout":30`), "timeout", "is no duration like 30s"},
	{httpDoc(`,"timeout":"30"`), "timeout", "is no duration like 30s"},
	{httpDoc(`,"timeout":"-1s"`), "timeout", "is not between 100ms and 10m"},
	{httpDoc(`,"idle_timeout":"25h"`), "idle_timeout", "is not between 1s and 24h"},
	{httpDoc(`,"preserve_host":1`), "preserve_host", "is neither true nor false"},

	{httpDoc(`,"request_headers":[]`), "request_headers", "is no object"},
	{httpDoc(`,"request_headers":{"set":[]}`), "request_headers.set", "is no object"},
	{httpDoc(`,"request_headers":{"set":{"A B":"x"}}`), "request_headers.set", `"A B" is no header that a route may change`},
	{httpDoc(`,"request_headers":{"set":{"":"x"}}`), "request_headers.set", `"" is no header`},
	{httpDoc(`,"request_headers":{"set":{"X-A":5}}`), "request_headers.set", `"X-A": is no string`},
	{httpDoc(`,"request_headers":{"set":{"X-A":"a\nb"}}`), "request_headers.set", `"X-A": "a\nb" holds a control character`},
	{httpDoc(`,"request_headers":{"set":{"X-A":"` + strings.Repeat("x", 4097) + `"}}`), "request_headers.set", `"X-A": is longer than 4096 bytes`},
	{httpDoc(`,"request_headers":{"set":{"X-A":"{y}"}}`), "request_headers.set", `"X-A": {y} is not in the pattern`},
	{httpDoc(`,"request_headers":{"set":{"X-A":"{usr}"}}`), "request_headers.set", `"X-A": {usr} is not in the pattern; did you mean {user}?`},
	{httpDoc(`,"request_headers":{"set":{"X-A":"{id"}}`), "request_headers.set", `"X-A": { without }; a brace itself is {{`},
	{httpDoc(`,"request_headers":{"set":{"X-A":"{header:}"}}`), "request_headers.set", `"X-A": {header:} names no header`},
	{httpDoc(`,"request_headers":{"set":{"X-A":"{header:weft_user}"}}`), "request_headers.set", `"X-A": {header:weft_user} is Weft's own`},
	{httpDoc(`,"request_headers":{"set":{"X-A":"{query:}"}}`), "request_headers.set", `"X-A": {query:} names no parameter`},
	{httpDoc(`,"auth":{"mode":"none"},"request_headers":{"set":{"X-A":"{session}"}}`), "request_headers.set", `"X-A": {session} is of a token, which needs mode token or optional`},
	{httpDoc(`,"auth":{"mode":"none"},"request_headers":{"set":{"X-A":"{/sub}"}}`), "request_headers.set", `"X-A": {/sub} is a claim, which needs mode token or optional`},
	{httpDoc(`,"request_headers":{"set":{"X-A":"a","x-a":"b"}}`), "request_headers.set", `"x-a" is set twice`},
	{httpDoc(`,"request_headers":{"remove":"X-A"}`), "request_headers.remove", "is no list"},
	{httpDoc(`,"request_headers":{"remove":["X-A","Host"]}`), "request_headers.remove[1]", `"Host" is no header that a route may change`},
	{natsDoc(`,"request_headers":{"pass":["Weft-User"]}`), "request_headers.pass[0]", `"Weft-User" is no header of a client`},
	{httpDoc(`,"request_headers":{"set":` + manyNames(40) + `,"remove":` + manyList(25) + `}`), "request_headers", "has 65 names, at most 64"},
	{httpDoc(`,"response_headers":{"set":` + manyNames(65) + `}`), "response_headers.set", "has 65 elements, not 0 to 64"},
	{httpDoc(`,"response_headers":{"set":{"X-A":"\u0085"}}`), "response_headers.set", `"X-A": "\u0085" holds a control character`},
	{httpDoc(`,"response_headers":{"pass":[]}`), "response_headers.pass", "is unknown"},

	{httpDoc(`,"rate":{"limit":"1/s"}`), "rate.per", "is missing"},
	{httpDoc(`,"rate":{"per":"route"}`), "rate.limit", "is missing"},
	{httpDoc(`,"rate":{"per":"ip","limit":"1/s"}`), "rate.per", `"ip" is none of user, address, route`},
	{httpDoc(`,"rate":{"per":"route","limit":"10"}`), "rate.limit", `"10" is no rate like 10/s`},
	{httpDoc(`,"rate":{"per":"route","limit":"0/s"}`), "rate.limit", `"0/s" is no rate like 10/s`},
	{httpDoc(`,"rate":{"per":"route","limit":"1000001/s"}`), "rate.limit", `is no rate like 10/s`},
	{httpDoc(`,"rate":{"per":"route","limit":"1/d"}`), "rate.limit", `is no rate like 10/s`},
	{httpDoc(`,"rate":{"per":"route","limit":"1/s","burst":0}`), "rate.burst", "is no whole number from 1 to 1000000"},
	{httpDoc(`,"rate":{"per":"route","limit":"1/s","burst":1.5}`), "rate.burst", "is no whole number from 1 to 1000000"},
	{httpDoc(`,"rate":{"per":"route","limit":"1/s","burst":"5"}`), "rate.burst", "is no whole number from 1 to 1000000"},
	{httpDoc(`,"auth":{"mode":"optional"},"rate":{"per":"user","limit":"1/s"}`), "rate.per", "needs mode token"},
	{httpDoc(`,"cors":"*"`), "cors", "is no list"},
	{httpDoc(`,"cors":[]`), "cors", "has 0 elements, not 1 to 64"},
	{httpDoc(`,"cors":["*"]`), "cors[0]", `"*" is refused, since it would let every site's pages in; list the origins`},
	{httpDoc(`,"cors":["https://a.example","https://a.example/"]`), "cors[1]", "is more than an origin"},
	{httpDoc(`,"cors":["a.example"]`), "cors[0]", "is no origin; write scheme://host[:port]"},

	{kafkaDoc(`,"key":"{y}"`), "key", "{y} is not in the pattern"},
	{kafkaDoc(`,"key":""`), "key", "is empty"},
	{kafkaDoc(`,"cloudevent":{"type":"a"}`), "cloudevent.source", "is missing"},
	{kafkaDoc(`,"cloudevent":{"source":"a"}`), "cloudevent.type", "is missing"},
	{kafkaDoc(`,"cloudevent":{"type":"{y}","source":"a"}`), "cloudevent.type", "{y} is not in the pattern"},
	{kafkaDoc(`,"reply":{"topic":"a b"}`), "reply.topic", `"a b" is no topic`},
	{kafkaDoc(`,"reply":{"topic":"orders"}`), "reply.topic", "is that of target: a request would be taken for its own answer"},
	{kafkaDoc(`,"reply":{"topic":"a","timeout":"11m"}`), "reply.timeout", "is not between 100ms and 10m"},
	{kafkaDoc(`,"reply":true`), "reply", "is no object"},
}

func TestAMemberMayStandInNoObjectTwiceHoweverDeep(t *testing.T) {
	_, errs := route.Parse("orders", []byte(httpDoc(`,"x":[{"y":[{"z":1,"a":2,"z":3}]}]`)))
	if !slices.ContainsFunc(errs, func(e *route.FieldError) bool { return *e == route.FieldError{Detail: `names "z" twice, in x.y`} }) {
		t.Errorf("got %v", errs)
	}
}

func manyNames(n int) string {
	var list []string
	for i := range n {
		list = append(list, `"A-`+strconv.Itoa(i)+`":""`)
	}
	return "{" + strings.Join(list, ",") + "}"
}

func manyList(n int) string {
	return `["X"` + strings.Repeat(`,"X"`, n-1) + "]"
}

func TestEachMistakeIsSaidWithItsField(t *testing.T) {
	for _, f := range faults {
		r, errs := route.Parse("orders", []byte(f.document))
		if r != nil {
			t.Errorf("%.200s is taken", f.document)
		}
		if len(errs) != 1 {
			t.Errorf("%.200s: %d mistakes, want one: %v", f.document, len(errs), errs)
		}
		if !slices.ContainsFunc(errs, func(e *route.FieldError) bool { return e.Field == f.field && strings.Contains(e.Detail, f.detail) }) {
			t.Errorf("%.200s:\ngot  %v\nwant %s: %s", f.document, errs, f.field, f.detail)
		}
	}
}

func TestNoRouteMayChangeHeadersOfTheConnectionOrOfWeft(t *testing.T) {
	for _, name := range []string{"Connection", "Content-Length", "Expect", "Host", "Keep-Alive", "Proxy-Authorization", "Proxy-X", "TE", "Trailer",
		"Transfer-Encoding", "Upgrade", "Sec-WebSocket-Key", "sec-websocket-version", "Weft-User", "weft-x", "Weft_User", "CONTENT_LENGTH", "WEFT-"} {
		for _, in := range []string{"request_headers", "response_headers"} {
			for _, how := range []string{`"set":{"` + name + `":"x"}`, `"remove":["` + name + `"]`} {
				if r, _ := route.Parse("orders", []byte(httpDoc(`,"`+in+`":{`+how+`}`))); r != nil {
					t.Errorf("%s takes %s", in, how)
				}
			}
		}
	}
}

func TestAllMistakesAreSaidAtOnce(t *testing.T) {
	_, errs := route.Parse("a.b", []byte(`{"pattern":"get /a","targets":["http://b","ftp://c","http://d/x y"],"tmeout":1,
		"auth":{"mode":"none","require":{"roles":["a"],"/x":[]}},"rate":{"per":"user","limit":"1"},"cors":["*","https://ok.example","HTTPS://x"],
		"timeout":"1h","request_headers":{"set":{"Host":"a","X-A":"{/sub}"},"remove":["ok","not ok"]}}`))
	var got []string
	for _, e := range errs {
		got = append(got, e.Field)
	}
	slices.Sort(got)
	want := []string{"auth.require", "auth.require", "auth.require", "cors[0]", "cors[2]", "name", "pattern", "rate.limit", "rate.per",
		"request_headers.remove[1]", "request_headers.set", "request_headers.set", "targets[1]", "targets[2]", "timeout", "tmeout"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q\n%v", got, want, errs)
	}
}

func TestANameIsShortAndPlain(t *testing.T) {
	for name, want := range map[string]bool{"orders": true, "A-b_9": true, strings.Repeat("a", 64): true,
		"": false, "a.b": false, "a b": false, "ä": false, "a/b": false, strings.Repeat("a", 65): false} {
		_, errs := route.Parse(name, []byte(httpDoc("")))
		if got := len(errs) == 0; got != want {
			t.Errorf("%q is good: %v, want %v", name, got, want)
		}
		if !want && (errs[0].Field != "name" || errs[0].Detail != "is not 1 to 64 letters, digits, - and _") {
			t.Errorf("%q: %v", name, errs[0])
		}
	}
}

func parse(t *testing.T, document string) *route.Route {
	t.Helper()
	r, errs := route.Parse("orders", []byte(document))
	if len(errs) > 0 {
		t.Fatalf("%s: %v", document, errs)
	}
	return r
}

func TestWhatIsNotSaidHasADefault(t *testing.T) {
	r := parse(t, doc("/a", "http://b", ""))
	if r.Name != "orders" || r.Auth != route.AuthToken || !r.PassToken || r.BodyLimit != 10<<20 || r.ConnectTimeout != 5*time.Second ||
		r.Timeout != 30*time.Second || r.IdleTimeout != time.Minute || r.IdleStreams || r.PreserveHost || r.Rate != nil || r.CORS != nil ||
		r.Key != nil || r.CloudEvent != nil || r.Reply != nil || r.Scheme != route.HTTP || r.Targets[0].Path != nil {
		t.Errorf("got %+v", r)
	}
	r = parse(t, doc("/a", "nats://svc.a", ""))
	if r.PassToken || r.BodyLimit != 1<<20 || r.Timeout != 30*time.Second {
		t.Errorf("got %+v", r)
	}
	r = parse(t, doc("POST /a", "kafka://a", `,"reply":{}`))
	if r.PassToken || r.BodyLimit != 1<<20 || *r.Reply != (route.Reply{Timeout: 30 * time.Second}) || r.Targets[0].Host != "a" {
		t.Errorf("got %+v", r)
	}
}

func TestWhatIsSaidIsInTheRoute(t *testing.T) {
	r := parse(t, `{"pattern":"/a/{id}","targets":["https://b:8443/v1/{id}?x=1;y&z=%zz","https://[::1]/v1/{id}?x=1;y&z=%zz"],"description":"d",
		"auth":{"mode":"token","require":{"/roles":["a","b"],"/a~1b/0":["1"]},"pass_token":false},
		"body_limit":"none","connect_timeout":"10ms","timeout":"10m","idle_timeout":"1m30s","preserve_host":true,
		"request_headers":{"set":{"x-b":"{id}","X-a":"b"},"remove":["cookie"]},"response_headers":{"set":{"cache-control":"no-store"},"remove":["server"]},
		"rate":{"per":"user","limit":"120/m"},"cors":["https://a.example"],"reply":{"timeout":"100ms"}}`)
	if len(r.Targets) != 2 || r.Targets[1].Host != "[::1]" || r.Targets[0].RawQuery != "x=1;y&z=%zz" || r.Targets[0].Path.String() != "/v1/{id}" {
		t.Errorf("targets %+v", r.Targets)
	}
	if len(r.Require) != 2 || r.Require[0].Pointer != "/roles" || !slices.Equal(r.Require[0].Values, []string{"a", "b"}) || r.PassToken {
		t.Errorf("auth %+v", r.Require)
	}
	if r.BodyLimit != -1 || r.ConnectTimeout != 10*time.Millisecond || r.Timeout != 10*time.Minute || r.IdleTimeout != 90*time.Second || !r.IdleStreams || !r.PreserveHost {
		t.Errorf("got %+v", r)
	}
	if s := r.RequestHeaders.Set; len(s) != 2 || s[0].Name != "X-A" || s[1].Name != "X-B" || s[1].Value.String() != "{id}" || !slices.Equal(r.RequestHeaders.Remove, []string{"Cookie"}) {
		t.Errorf("request headers %+v", r.RequestHeaders)
	}
	if r.ResponseHeaders.Set["Cache-Control"] != "no-store" || !slices.Equal(r.ResponseHeaders.Remove, []string{"Server"}) {
		t.Errorf("response headers %+v", r.ResponseHeaders)
	}
	if *r.Rate != (route.Rate{Per: "user", Limit: 2, Burst: 120}) || !slices.Equal(r.CORS, []string{"https://a.example"}) || *r.Reply != (route.Reply{Timeout: 100 * time.Millisecond}) {
		t.Errorf("got %+v %v %v", r.Rate, r.CORS, r.Reply)
	}
}

func TestSizesAreWrittenAsInTheConfiguration(t *testing.T) {
	for text, want := range map[string]int64{`"64KiB"`: 64 << 10, `"1MB"`: 1e6, `"512"`: 512, `512`: 512, `0`: 0, `"1GiB"`: 1 << 30} {
		if r := parse(t, httpDoc(`,"body_limit":`+text)); r.BodyLimit != want {
			t.Errorf("%s is %d", text, r.BodyLimit)
		}
	}
}
