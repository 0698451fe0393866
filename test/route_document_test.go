package test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"weft/test/stage"
)

// badRoute is what the admin listener says of a document that is bad.
type badRoute struct {
	Code, Detail string
	Status       int
	Errors       []struct{ Field, Detail string }
}

// putDry puts a document that is not kept.
func putDry(t *testing.T, n *stage.Node, name, document string) (int, badRoute) {
	t.Helper()
	status, text := asked(t, http.MethodPut, n.AdminURL()+"/_weft/v1/routes/"+name+"?dry_run=true", "", "application/json", document)
	var r badRoute
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("%d %s: %v", status, text, err)
	}
	return status, r
}

// A document as it would be, but for one mistake.
func routeText(pattern, target, more string) string {
	text, _ := json.Marshal(map[string]string{"pattern": pattern, "target": target})
	return strings.TrimSuffix(string(text), "}") + more + "}"
}

func TestWhatIsWrongWithADocumentIsSaidAtTheAdminListener(t *testing.T) {
	n := stage.StartNode(t, stage.Settings(t.TempDir()))
	stage.PutRoute(t, n, "orders", stage.Route{"pattern": "/taken/{x}", "target": "http://b"})
	const api, back = "/api/{id}", "http://b"
	long := strings.Repeat("/a", 33)
	for _, c := range []struct{ document, field, detail string }{
		{`[1]`, "", "is no JSON object"},
		{`{"pattern":`, "", "is no JSON object"},
		{routeText(api, back, `,"description":"`+strings.Repeat("x", 64<<10)+`"`), "", "is longer than 64 KiB"},
		{routeText(api, back, `,"target":"http://c"`), "", `names "target" twice`},
		{routeText(api, back, `,"auth":{"mode":"none","mode":"none"}`), "", `names "mode" twice`},
		{routeText(api, back, `,"tiemout":"1s"`), "tiemout", `is unknown; did you mean "timeout"?`},
		{routeText("POST /a", "kafka://a", `,"preserve_host":true`), "preserve_host", "is not for a target of scheme kafka"},
		{routeText(api, back, `,"timeout":"11m"`), "timeout", "is not between 100ms and 10m"},
		{routeText(api, back, `,"timeout":"soon"`), "timeout", "is no duration like 30s"},
		{routeText(api, back, `,"body_limit":"much"`), "body_limit", "is no size like 10MiB"},
		{`{"target":"http://b"}`, "pattern", "is missing"},
		{routeText("get /a", back, ""), "pattern", `method "get" is not upper case`},
		{routeText("TRACE /a", back, ""), "pattern", "CONNECT and TRACE are not forwarded"},
		{routeText("example.com", back, ""), "pattern", "has no path; it begins with /"},
		{routeText("/_weft/x", back, ""), "pattern", "/_weft/ is Weft's own"},
		{routeText("/a/../b", back, ""), "pattern", `has a "." or ".." segment`},
		{routeText("/a//b", back, ""), "pattern", "has an empty segment"},
		{routeText("/{x}b", back, ""), "pattern", `"{x}b": a placeholder is a whole segment`},
		{routeText("/{x...}/b", back, ""), "pattern", "{x...} is not the last segment"},
		{routeText("/{x}/{x}", back, ""), "pattern", "names {x} twice"},
		{routeText("Example.com/a", back, ""), "pattern", "host is not a lower-case name without a port"},
		{routeText(long, back, ""), "pattern", "more than 32 segments"},
		{`{"pattern":"/a"}`, "target", "is missing"},
		{routeText(api, back, `,"targets":["http://c"]`), "target", "both target and targets"},
		{routeText(api, "ftp://b", ""), "target", `scheme "ftp" is none of http, https, h2c, nats, kafka`},
		{routeText(api, "http:///a", ""), "target", "has no host"},
		{routeText(api, "http://{id}/a", ""), "target", "a placeholder in the host"},
		{routeText(api, "http://u:p@b", ""), "target", "user and password do not belong here; use upstreams"},
		{routeText(api, "http://b/{y}", ""), "target", "{y} is not in the pattern"},
		{routeText("/api/", "http://b/v1", ""), "target", "the pattern ends in /; name the rest, /api/{rest...}, and use {rest}"},
		{routeText(api, "nats://orders", ""), "target", "subject does not begin with svc."},
		{routeText("POST /a", "kafka://a b", ""), "target", `"a b" is no topic`},
		{`{"pattern":"/a","targets":["http://b","http://c/x"]}`, "targets[1]", "has another path"},
		{routeText(api, back, `,"auth":{"require":{"roles":["a"]}}`), "auth.require", `"roles" is no JSON Pointer`},
		{routeText(api, back, `,"auth":{"mode":"none","require":{"/roles":["a"]}}`), "auth.require", "needs mode token"},
		{routeText(api, back, `,"cors":["*"]`), "cors[0]", `"*" is refused, since it would let every site's pages in; list the origins`},
		{routeText(api, back, `,"request_headers":{"set":{"Weft-User":"eve"}}`), "request_headers.set", `"Weft-User" is no header`},
		{routeText("GET /a", "kafka://a", ""), "pattern", "without reply"},
	} {
		status, r := putDry(t, n, "new", c.document)
		if status != http.StatusBadRequest || r.Code != "bad_request" || r.Detail != "the route is bad" || r.Status != status {
			t.Errorf("%.120s: %d %+v", c.document, status, r)
		}
		if len(r.Errors) != 1 || r.Errors[0].Field != c.field || !strings.Contains(r.Errors[0].Detail, c.detail) {
			t.Errorf("%.120s: %+v, want %s: %s", c.document, r.Errors, c.field, c.detail)
		}
	}
	if status, r := putDry(t, n, "new", `{"pattern":"get /a","target":"ftp://b","timeout":"1h","x":1}`); status != http.StatusBadRequest || len(r.Errors) != 4 {
		t.Errorf("four mistakes are %d %+v", status, r.Errors)
	}
	if status, r := putDry(t, n, "new", routeText("/taken/{other}", back, "")); status != http.StatusConflict || r.Code != "conflict" ||
		len(r.Errors) != 1 || r.Errors[0].Field != "pattern" || !strings.Contains(r.Errors[0].Detail, `is that of route "orders"`) {
		t.Errorf("the same pattern is %d %+v", status, r)
	}
	if status, r := putDry(t, n, "a.b", routeText(api, back, "")); status != http.StatusBadRequest ||
		len(r.Errors) != 1 || r.Errors[0].Field != "name" || r.Errors[0].Detail != "is not 1 to 64 letters, digits, - and _" {
		t.Errorf("a bad name is %d %+v", status, r)
	}
	if status, _ := asked(t, http.MethodGet, n.URL()+"/api/1", "", "", ""); status != http.StatusNotFound {
		t.Errorf("a dry run left a route: %d", status)
	}
}

func TestATemplateIsFilledByTheRequestAndOpensNothing(t *testing.T) {
	n, back := stage.StartNode(t, stage.Settings(t.TempDir())), stage.StartBackend(t, nil)
	stage.PutRoute(t, n, "filled", stage.Route{"pattern": "/t/{id}/{rest...}", "target": back.URL() + "/v1/{rest}/of/{id}?a=1",
		"auth": stage.Route{"require": stage.Route{"/roles": []string{"buyer"}}},
		"request_headers": stage.Route{"remove": []string{"X-Gone"}, "set": stage.Route{
			"X-Id": "{id}", "X-Rest": "{rest}", "X-Roles": "{/roles}", "X-Deep": "{/deep/a~1b/0}", "X-User": "{user}/{session}", "X-Header": "{header:x-in}",
			"X-Query": "{query:q}", "X-Asked": "{method} {path}", "X-Brace": "{{{id}}", "X-Missing": "{/none}", "X-Break": "{/break}", "X-One": "a{header:x-none}b"}}})
	token := stage.Token(t, "ann", stage.Claims{"jti": "s1", "roles": []string{"buyer", "admin"}, "deep": map[string]any{"a/b": []int{7}}, "break": "x\r\nX-Admin: 1"})
	ask := func(path string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(soon(t), http.MethodGet, n.URL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Authorization": {"Bearer " + token}, "X-In": {"in", "second"}, "X-Gone": {"1"}, "X-Missing": {"mine"}, "X-Id": {"forged"}}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	if status := ask("/t/a%20b/c%2Fd//e?q=x+y&q=2;z"); status != http.StatusOK {
		t.Fatalf("answered %d", status)
	}
	got := back.Await(1)
	if want := "/v1/c%2Fd//e/of/a%20b?a=1&q=x+y&q=2;z"; got.Target != want {
		t.Errorf("it reaches %s, want %s", got.Target, want)
	}
	for name, want := range map[string]string{"X-Id": "a b", "X-Rest": "c/d//e", "X-Roles": "buyer, admin", "X-Deep": "7", "X-User": "ann/s1",
		"X-Header": "in", "X-Query": "x y", "X-Asked": "GET /t/a%20b/c%2Fd//e", "X-Brace": "{a b}", "X-Missing": "", "X-Break": "", "X-One": "",
		"X-Gone": "", "X-Admin": ""} {
		if value := got.Header.Get(name); value != want {
			t.Errorf("%s is %q, want %q", name, value, want)
		}
	}
	for path, want := range map[string]int{
		"/t/a%0d%0ab/c": http.StatusBadRequest, "/t/../c": http.StatusBadRequest, "/t/a/%2e%2e/c": http.StatusBadRequest, "/t/..%2f/c": http.StatusBadRequest,
		"/t//c": http.StatusNotFound,
	} {
		if status := ask(path); status != want {
			t.Errorf("%s is answered %d, want %d", path, status, want)
		}
	}
	if status := ask("/t/a/"); status != http.StatusOK {
		t.Errorf("a rest of nothing is answered %d", status)
	}
	if got := back.Await(2); got.Target != "/v1//of/a?a=1" {
		t.Errorf("a rest of nothing reaches %s", got.Target)
	}
}
