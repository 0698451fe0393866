package test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/test/stage"
)

// A routeTold is what the admin API says of a route, or what is wrong.
type routeTold struct {
	Status int `json:"-"`
	Header http.Header
	Body   string

	Name, State, Operation, Raw string
	Revision                    uint64
	Serving                     uint64 `json:"serving_revision"`
	Modified                    time.Time
	Route                       json.RawMessage
	Problem                     *fieldTold
	Items                       []routeTold
	Next                        string

	Code, Detail string
	Errors       []fieldTold

	Pattern, Target string
	Targets         []string
	Values          map[string]string
}

type fieldTold struct{ Field, Detail string }

// askRoutes does a request below routes of the admin API; header are names and values by
// turns.
func askRoutes(t testing.TB, n *stage.Node, method, path, body string, header ...string) routeTold {
	t.Helper()
	req, err := http.NewRequest(method, n.AdminURL()+"/_weft/v1/routes"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	var told routeTold
	status, text, answer := exchange(t, req)
	if len(text) > 0 {
		if err := json.Unmarshal(text, &told); err != nil {
			t.Fatalf("%s %s: %d %s: %v", method, path, status, text, err)
		}
	}
	told.Status, told.Header, told.Body = status, answer, string(text)
	return told
}

// document is a good one, which answers with a text of its own.
func document(pattern, target string) string {
	return fmt.Sprintf(`{"pattern":%q,"target":%q,"auth":{"mode":"none"}}`, pattern, target)
}

// served asks a node for a path and says which status came.
func served(t testing.TB, n *stage.Node, path string) int {
	t.Helper()
	req, err := http.NewRequest("GET", n.URL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	status, _, _ := exchange(t, req)
	return status
}

func TestOperatorsReadChangeAndTryRoutes(t *testing.T) {
	ca := filepath.Join(t.TempDir(), "ca.pem")
	issuer := httptest.NewTLSServer(nil)
	issuer.Close()
	pem := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issuer.Certificate().Raw})
	if err := os.WriteFile(ca, pem, 0o600); err != nil {
		t.Fatal(err)
	}
	n := stage.StartNode(t, stage.Settings(t.TempDir()).With("upstreams", []any{map[string]any{"match": "https://secure.example.com", "tls": map[string]any{"ca": ca}}}))
	back := stage.StartBackend(t, nil).URL()

	t.Run("a put is served when it is answered", func(t *testing.T) {
		put := askRoutes(t, n, "PUT", "/orders", document("GET /orders/{id}", back))
		if put.Status != 201 || put.Name != "orders" || put.State != "serving" || put.Serving != put.Revision || put.Revision == 0 || put.Problem != nil ||
			put.Header.Get("ETag") != fmt.Sprintf(`"%d"`, put.Revision) || time.Since(put.Modified) > time.Minute || !strings.Contains(string(put.Route), "GET /orders/{id}") {
			t.Errorf("%d %v %s", put.Status, put.Header, put.Body)
		}
		if got := served(t, n, "/orders/7"); got != 200 {
			t.Errorf("/orders/7: %d", got)
		}
		again := askRoutes(t, n, "PUT", "/orders", document("GET /orders/{id}", back+"/x&y"))
		if again.Status != 200 || again.Revision <= put.Revision || !strings.Contains(again.Body, "/x&y") {
			t.Errorf("%d %s", again.Status, again.Body)
		}
		for i := range 100 { // each is served at once
			path := fmt.Sprintf("/r%d", i)
			if askRoutes(t, n, "PUT", "/quick", document(path, back)); served(t, n, path) != 200 {
				t.Fatalf("%s is not served when its put was answered", path)
			}
		}
		if d := askRoutes(t, n, "DELETE", "/quick", ""); d.Status != 204 || served(t, n, "/r99") != 404 {
			t.Errorf("%d %s, /r99 %d", d.Status, d.Body, served(t, n, "/r99"))
		}
	})

	t.Run("one item", func(t *testing.T) {
		got := askRoutes(t, n, "GET", "/orders", "")
		if got.Status != 200 || got.Header.Get("ETag") != fmt.Sprintf(`"%d"`, got.Revision) || got.Name != "orders" {
			t.Errorf("%d %v %s", got.Status, got.Header, got.Body)
		}
		if gone := askRoutes(t, n, "GET", "/nothing", ""); gone.Status != 404 || gone.Code != "not_found" {
			t.Errorf("%d %s", gone.Status, gone.Body)
		}
	})

	t.Run("conditions", func(t *testing.T) {
		now := askRoutes(t, n, "GET", "/orders", "").Revision
		etag, old := fmt.Sprintf(`"%d"`, now), fmt.Sprintf(`"%d"`, now-1)
		doc := document("GET /orders/{id}", back)
		for _, c := range []struct {
			method, name, header, value string
			status                      int
			code                        string
		}{
			{"PUT", "/orders", "If-None-Match", "*", 412, "conflict"},
			{"PUT", "/orders", "If-Match", old, 412, "conflict"},
			{"PUT", "/new", "If-Match", etag, 412, "conflict"},
			{"PUT", "/new", "If-Match", "*", 412, "conflict"},
			{"PUT", "/orders", "If-Match", fmt.Sprint(now), 400, "bad_request"},
			{"PUT", "/orders", "If-Match", etag + "," + etag, 400, "bad_request"},
			{"PUT", "/orders", "If-Match", `W/` + etag, 412, "conflict"},
			{"PUT", "/orders", "If-Match", `"v1"`, 412, "conflict"},
			{"DELETE", "/orders", "If-Match", `"v1"`, 412, "conflict"},
			{"PUT", "/orders", "If-None-Match", etag, 400, "bad_request"},
			{"DELETE", "/orders", "If-Match", old, 412, "conflict"},
			{"DELETE", "/new", "If-Match", etag, 404, "not_found"},
			{"DELETE", "/new", "X", "y", 404, "not_found"},
			{"PUT", "/orders", "If-Match", "*", 200, ""},
		} {
			if got := askRoutes(t, n, c.method, c.name, strings.Replace(doc, "/orders/", c.name+"/", 1), c.header, c.value); got.Status != c.status || got.Code != c.code {
				t.Errorf("%s %s, %s: %s: %d %s", c.method, c.name, c.header, c.value, got.Status, got.Body)
			}
		}
		etag = askRoutes(t, n, "GET", "/orders", "").Header.Get("ETag")
		if got := askRoutes(t, n, "PUT", "/orders", doc, "If-Match", etag); got.Status != 200 {
			t.Errorf("the revision that it has: %d %s", got.Status, got.Body)
		}
		if got := askRoutes(t, n, "PUT", "/orders", doc, "If-Match", etag); got.Status != 412 {
			t.Errorf("the same once more: %d %s", got.Status, got.Body)
		}
		if got := askRoutes(t, n, "PUT", "/fresh", document("/fresh", back), "If-None-Match", "*"); got.Status != 201 {
			t.Errorf("a new one: %d %s", got.Status, got.Body)
		}
		if got := askRoutes(t, n, "DELETE", "/fresh", "", "If-Match", askRoutes(t, n, "GET", "/fresh", "").Header.Get("ETag")); got.Status != 204 {
			t.Errorf("delete: %d %s", got.Status, got.Body)
		}
	})

	t.Run("all that is wrong is said, and nothing stored", func(t *testing.T) {
		revision := askRoutes(t, n, "GET", "/orders", "").Revision
		bad := askRoutes(t, n, "PUT", "/orders", `{"pattern":"get /orders","target":"ftp://x","tiemout":"3s","rate":{"per":"nobody"}}`)
		var fields []string
		for _, e := range bad.Errors {
			fields = append(fields, e.Field)
		}
		if bad.Status != 400 || bad.Code != "bad_request" || bad.Detail != "the route is bad" || bad.Header.Get("Content-Type") != "application/problem+json" ||
			!slices.Contains(fields, "pattern") || !slices.Contains(fields, "target") || !slices.Contains(fields, "tiemout") {
			t.Errorf("%d %s", bad.Status, bad.Body)
		}
		for name, doc := range map[string]string{"": "no JSON", " ": "[]", "long": `{"description":"` + strings.Repeat("x", 64<<10) + `"}`, "megabytes": strings.Repeat("x", 4<<20)} {
			if got := askRoutes(t, n, "PUT", "/orders", doc); got.Status != 400 || len(got.Errors) != 1 || got.Errors[0].Field != "" {
				t.Errorf("%s: %d %s", name, got.Status, got.Body)
			}
		}
		for _, name := range []string{"/a.b", "/a%20b", "/a/b", "/" + strings.Repeat("x", 65), "/%C3%BC"} {
			if got := askRoutes(t, n, "PUT", name, document("/x", back)); got.Status != 400 || len(got.Errors) != 1 || got.Errors[0].Field != "name" ||
				!strings.Contains(got.Errors[0].Detail, "is not 1 to 64 letters, digits, - and _") {
				t.Errorf("%s: %d %s", name, got.Status, got.Body)
			}
		}
		taken := askRoutes(t, n, "PUT", "/other", document("GET /orders/{number}", back))
		if taken.Status != 409 || taken.Code != "conflict" || len(taken.Errors) != 1 || taken.Errors[0] != (fieldTold{"pattern", `is that of route "orders"`}) {
			t.Errorf("%d %s", taken.Status, taken.Body)
		}
		if now := askRoutes(t, n, "GET", "/orders", ""); now.Revision != revision || now.State != "serving" {
			t.Errorf("after all that: %s", now.Body)
		}
	})

	t.Run("a dry run stores nothing", func(t *testing.T) {
		dry := askRoutes(t, n, "PUT", "/dry?dry_run=true", document("/dry", back))
		if dry.Status != 200 || dry.Name != "dry" || !strings.Contains(string(dry.Route), "/dry") {
			t.Errorf("%d %s", dry.Status, dry.Body)
		}
		if got := askRoutes(t, n, "GET", "/dry", ""); got.Status != 404 || served(t, n, "/dry") != 404 {
			t.Errorf("%d %s", got.Status, got.Body)
		}
		if h := askRoutes(t, n, "GET", "/dry/history", ""); h.Status != 404 {
			t.Errorf("%d %s", h.Status, h.Body)
		}
		for query, status := range map[string]int{"?dry_run=false": 201, "?dry_run=yes": 400, "?dry_rum=true": 400} {
			if got := askRoutes(t, n, "PUT", "/really"+query, document("/really", back)); got.Status != status {
				t.Errorf("%s: %d %s", query, got.Status, got.Body)
			}
		}
		if got := askRoutes(t, n, "PUT", "/dry?dry_run=true", document("/orders/{x}", "ftp://x")); got.Status != 400 || len(got.Errors) == 0 {
			t.Errorf("%d %s", got.Status, got.Body)
		}
		if got := askRoutes(t, n, "PUT", "/dry?dry_run=true", document("GET /orders/{x}", back)); got.Status != 409 {
			t.Errorf("%d %s", got.Status, got.Body)
		}
		if got := askRoutes(t, n, "PUT", "/orders?dry_run=true", document("/orders", back), "If-Match", `"1"`); got.Status != 412 {
			t.Errorf("%d %s", got.Status, got.Body)
		}
	})

	t.Run("the history, and back", func(t *testing.T) {
		first := askRoutes(t, n, "PUT", "/undo", document("/undo/1", back)).Revision
		second := askRoutes(t, n, "PUT", "/undo", document("/undo/2", back)).Revision
		badRevision := stage.PutRoute(t, n, "undo", "{broken")
		item := askRoutes(t, n, "GET", "/undo", "")
		if item.State != "bad" || item.Revision != badRevision || item.Serving != second || item.Problem == nil || !strings.Contains(item.Problem.Detail, "is no JSON object") || item.Raw != "{broken" {
			t.Errorf("%s", item.Body)
		}
		if served(t, n, "/undo/2") != 200 {
			t.Error("a bad put has ended the good version")
		}
		askRoutes(t, n, "DELETE", "/undo", "")
		h := askRoutes(t, n, "GET", "/undo/history", "")
		if h.Status != 200 || len(h.Items) != 4 {
			t.Fatalf("%d %s", h.Status, h.Body)
		}
		deleted, broken, two, one := h.Items[0], h.Items[1], h.Items[2], h.Items[3]
		if deleted.Operation != "delete" || deleted.Route != nil || broken.Operation != "put" || broken.Raw != "{broken" || broken.Problem == nil || broken.Route != nil ||
			two.Revision != second || two.Problem != nil || one.Revision != first || one.Operation != "put" || !strings.Contains(string(one.Route), "/undo/1") || one.Modified.IsZero() {
			t.Errorf("%s", h.Body)
		}
		if dry := askRoutes(t, n, "POST", fmt.Sprintf("/undo/rollback?dry_run=true&revision=%d", first), ""); dry.Status != 200 || served(t, n, "/undo/1") != 404 {
			t.Errorf("%d %s", dry.Status, dry.Body)
		}
		if rolled := askRoutes(t, n, "POST", fmt.Sprintf("/undo/rollback?revision=%d", first), ""); rolled.Status != 201 || rolled.Revision <= badRevision || rolled.State != "serving" || served(t, n, "/undo/1") != 200 {
			t.Errorf("%d %s", rolled.Status, rolled.Body)
		}
		if rolled := askRoutes(t, n, "POST", fmt.Sprintf("/undo/rollback?revision=%d", second), ""); rolled.Status != 200 || served(t, n, "/undo/1") != 404 || served(t, n, "/undo/2") != 200 {
			t.Errorf("%d %s", rolled.Status, rolled.Body)
		}
		for query, status := range map[string]int{"": 400, "?revision=x": 400, "?revision=-1": 400, "?revision=999999": 404, fmt.Sprintf("?revision=%d", deleted.Revision): 404, fmt.Sprintf("?revision=%d", broken.Revision): 400} {
			if got := askRoutes(t, n, "POST", "/undo/rollback"+query, ""); got.Status != status {
				t.Errorf("%s: %d %s", query, got.Status, got.Body)
			}
		}
		if got := askRoutes(t, n, "POST", "/nothing/rollback?revision=1", ""); got.Status != 404 {
			t.Errorf("%d %s", got.Status, got.Body)
		}
		if got := askRoutes(t, n, "POST", fmt.Sprintf("/undo/rollback?revision=%d", first), "", "If-Match", `"1"`); got.Status != 412 {
			t.Errorf("%d %s", got.Status, got.Body)
		}
	})

	t.Run("which route would serve it", func(t *testing.T) {
		askRoutes(t, n, "PUT", "/shop", document("shop.example.com/img/{rest...}", back+"/pictures/{rest}?size=1"))
		askRoutes(t, n, "PUT", "/pair", `{"pattern":"POST /pair","targets":["http://a:1","http://b:2"]}`)
		for _, c := range []struct {
			method, url, name, target string
			values                    map[string]string
		}{
			{"GET", "/orders/a%2Fb?x=1&y", "orders", back + "/orders/a%2Fb?x=1&y", map[string]string{"id": "a%2Fb"}},
			{"HEAD", "http://any:80/orders/7", "orders", back + "/orders/7", map[string]string{"id": "7"}},
			{"", "/orders/7", "orders", back + "/orders/7", map[string]string{"id": "7"}},
			{"PUT", "https://SHOP.example.com:443/img/a//b?c=d", "shop", back + "/pictures/a//b?size=1&c=d", map[string]string{"rest": "a//b"}},
			{"POST", "/pair", "pair", "http://a:1/pair", nil},
		} {
			got := askRoutes(t, n, "GET", "/match?method="+c.method+"&url="+url.QueryEscape(c.url), "")
			if got.Status != 200 || got.Name != c.name || got.Target != c.target || fmt.Sprint(got.Values) != fmt.Sprint(c.values) || got.Revision == 0 {
				t.Errorf("%s %s: %d %s", c.method, c.url, got.Status, got.Body)
			}
		}
		if got := askRoutes(t, n, "GET", "/match?method=POST&url=/pair", ""); fmt.Sprint(got.Targets) != "[http://a:1/pair http://b:2/pair]" || got.Pattern != "POST /pair" {
			t.Errorf("%s", got.Body)
		}
		for _, c := range []struct {
			method, url string
			status      int
			allow       string
		}{
			{"GET", "/nowhere", 404, ""}, {"GET", "/img/x", 404, ""}, {"GET", "/_weft/v1/events", 404, ""},
			{"POST", "/orders/7", 405, "GET, HEAD"}, {"TRACE", "/orders/7", 405, "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"},
			{"GET", "/orders/..%2fx", 400, ""}, {"GET", "orders", 400, ""}, {"GET", "", 400, ""}, {"G T", "/orders/7", 400, ""},
		} {
			got := askRoutes(t, n, "GET", "/match?method="+url.QueryEscape(c.method)+"&url="+url.QueryEscape(c.url), "")
			if got.Status != c.status || got.Header.Get("Allow") != c.allow {
				t.Errorf("%s %s: %d %v %s", c.method, c.url, got.Status, got.Header, got.Body)
			}
		}
	})

	t.Run("what this node lacks shows with the route, which is good", func(t *testing.T) {
		kafka := askRoutes(t, n, "PUT", "/kafka", `{"pattern":"POST /kafka","target":"kafka://orders","auth":{"mode":"none"}}`)
		if kafka.Status != 201 || kafka.State != "serving" || kafka.Problem == nil || kafka.Problem.Field != "target" || !strings.Contains(kafka.Problem.Detail, "kafka.brokers") {
			t.Errorf("%d %s", kafka.Status, kafka.Body)
		}
		reply := askRoutes(t, n, "PUT", "/later", `{"pattern":"POST /later","target":"`+back+`","reply":{"topic":"answers"}}`)
		if reply.Problem == nil || reply.Problem.Field != "reply.topic" {
			t.Errorf("%d %s", reply.Status, reply.Body)
		}
		if err := os.WriteFile(ca, []byte("no certificate any more"), 0o600); err != nil {
			t.Fatal(err)
		}
		secure := askRoutes(t, n, "PUT", "/secure", document("/secure", "https://secure.example.com"))
		if secure.State != "serving" || secure.Problem == nil || !strings.Contains(secure.Problem.Detail, "https://secure.example.com") {
			t.Errorf("%d %s", secure.Status, secure.Body)
		}
		if status := served(t, n, "/secure"); status != 503 {
			t.Errorf("it is answered %d", status)
		}
	})

	t.Run("the schema", func(t *testing.T) {
		req, err := http.NewRequest("GET", n.AdminURL()+"/_weft/v1/routes/schema", nil)
		if err != nil {
			t.Fatal(err)
		}
		var schema struct {
			Schema     string `json:"$schema"`
			Properties map[string]any
		}
		status, text, header := exchange(t, req)
		if err := json.Unmarshal(text, &schema); err != nil || status != 200 || header.Get("Content-Type") != "application/schema+json" ||
			schema.Schema != "https://json-schema.org/draft/2020-12/schema" || schema.Properties["pattern"] == nil {
			t.Errorf("%d %v %s: %v", status, header, text, err)
		}
	})

	t.Run("the list has pages", func(t *testing.T) {
		for i := range 5 {
			if got := askRoutes(t, n, "PUT", fmt.Sprintf("/page%d", i), document(fmt.Sprintf("/page%d", i), back)); got.Status != 201 {
				t.Fatalf("%d %s", got.Status, got.Body)
			}
		}
		stage.PutRoute(t, n, "page1", `{"pattern":"/page1"}`)
		stage.PutRoute(t, n, "page9", "\xff\x00")
		var names []string
		after := "page"
		for range 10 {
			page := askRoutes(t, n, "GET", "?limit=2&after="+after, "")
			if page.Status != 200 || len(page.Items) > 2 {
				t.Fatalf("%d %s", page.Status, page.Body)
			}
			for _, i := range page.Items {
				if strings.HasPrefix(i.Name, "page") {
					names = append(names, i.Name+" "+i.State)
				}
			}
			if after = page.Next; after == "" {
				break
			}
		}
		if want := "[page0 serving page1 bad page2 serving page3 serving page4 serving page9 bad]"; fmt.Sprint(names) != want {
			t.Errorf("%v", names)
		}
		for _, query := range []string{"?limit=0", "?limit=1001", "?limit=x", "?before=x"} {
			if got := askRoutes(t, n, "GET", query, ""); got.Status != 400 {
				t.Errorf("%s: %d %s", query, got.Status, got.Body)
			}
		}
	})

	t.Run("other methods are refused", func(t *testing.T) {
		for path, allow := range map[string]string{"": "GET", "/match": "GET", "/orders/history": "GET", "/orders/rollback": "POST"} {
			got := askRoutes(t, n, "PATCH", path, "")
			if got.Status != 405 || !strings.HasPrefix(got.Header.Get("Allow"), allow) {
				t.Errorf("%s: %d %v", path, got.Status, got.Header)
			}
		}
	})
}
