package route_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"weft/edge/route"
)

// goods are documents that are taken, each with something of its own.
var goods = []string{
	doc("/", "http://b", ""),
	doc("GET /a/{x}/{rest...}", "https://b:8443/v1/{x}/.{rest}?a=1;b=%zz", ""),
	doc("POST shop.example.com/a%20b/{$}", "h2c://[::1]:80/a%7Bb", ""),
	doc("/a/{user}", "http://b/{user}", ""),
	httpDoc(`,"description":"` + strings.Repeat("ä", 250) + `"`),
	httpDoc(`,"auth":{"mode":"token","require":{"/roles":["buyer","1"],"/a~1b/~0":[""]},"pass_token":true}`),
	httpDoc(`,"auth":{"mode":"optional"},"rate":{"per":"address","limit":"1000000/h","burst":1000000}`),
	httpDoc(`,"auth":{},"rate":{"per":"user","limit":"1/s","burst":1e3}`),
	httpDoc(`,"body_limit":"none","connect_timeout":"1m","timeout":"+.1s","idle_timeout":"24h","preserve_host":false`),
	httpDoc(`,"body_limit":1048577`),
	httpDoc(`,"body_limit":"5GiB"`),
	natsDoc(`,"body_limit":"1MiB","timeout":"1m0.5s"`),
	natsDoc(`,"body_limit":0`),
	httpDoc(`,"request_headers":{"set":{"X-A":"{id} {/roles} {user} {session} {header:x-b} {query:c} {request_id} {correlation} {method} {path} {{}"},"remove":["Cookie"]}`),
	httpDoc(`,"response_headers":{"set":{"X-A":"{no template}"},"remove":["Server"]}`),
	httpDoc(`,"cors":["https://a.example","http://localhost:3000","null://x"]`),
	httpDoc(`,"reply":{}`),
	httpDoc(`,"reply":{"topic":"answers","timeout":"10m"}`),
	natsDoc(`,"request_headers":{"pass":["Authorization","X-A","Host"]}`),
	doc("GET /a/{id}/{rest...}", "nats://svc.a.{id}.{/a.b}.{user}.{rest}.x=2Ey", ""),
	doc("GET /a", "kafka://orders", `,"reply":{"topic":"answers"}`),
	doc("/a", "kafka://Orders.v-1_x", ""),
	kafkaDoc(`,"key":"{/sub}:{id}","cloudevent":{"type":"order.{id}","source":"/shop"}`),
	`{"pattern":"/{x}","targets":["http://b:1/{x}?q","http://c:2/{x}?q"]}`,
	" {\r\n\t\"pattern\" : \"\\/a\" , \"target\":\"http:\\u002f/b\" }\n",
}

// beyond are the mistakes that the schema cannot see, by what is said of them.
var beyond = []string{
	"twice",                                                                                                                         // the document is parsed by then
	"half of a surrogate pair",                                                                                                      // the validator is handed U+FFFD
	"is not between",                                                                                                                // it knows no durations
	"method", "CONNECT", "/_weft/", `"." or ".." segment`, "empty segment", "is not the last segment", "host is not", "32 segments", // syntax of patterns
	"a placeholder is a whole", "is not for", "is not in the pattern", "has two meanings", "the pattern ends in /", // of templates
	"a control character", "{ without }", "} without {", "malformed %", "names no", "is Weft's own", "no JSON Pointer", "needs mode",
	"port", "host", "no token", "tokens", "empty token", "no IPv6 address", // syntax of URLs
	"the first one", "its own answer", // it compares nothing
	"names, at most",
}

func schema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	text, err := jsonschema.UnmarshalJSON(bytes.NewReader(route.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("route.json", text); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("route.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// accepts asks the schema; a document that is no JSON it cannot be asked about.
func accepts(s *jsonschema.Schema, document string) error {
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(document))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

func TestTheSchemaAcceptsWhatIsTaken(t *testing.T) {
	s := schema(t)
	for _, d := range goods {
		if _, errs := route.Parse("orders", []byte(d)); len(errs) > 0 {
			t.Errorf("%s: %v", d, errs)
		}
		if err := accepts(s, d); err != nil {
			t.Errorf("%s is taken, and the schema says %v", d, err)
		}
	}
}

func TestTheSchemaRefusesWhatItCan(t *testing.T) {
	s := schema(t)
	used := map[string]bool{}
faults:
	for _, f := range faults {
		if accepts(s, f.document) != nil {
			continue
		}
		for _, b := range beyond {
			if strings.Contains(f.detail, b) {
				used[b] = true
				continue faults
			}
		}
		t.Errorf("the schema accepts %.200s: %s: %s", f.document, f.field, f.detail)
	}
	for _, b := range beyond {
		if !used[b] {
			t.Errorf("the schema sees all of %q", b)
		}
	}
}

func TestTheSchemaIsOneOf2020(t *testing.T) {
	var s struct {
		Schema     string `json:"$schema"`
		Properties map[string]struct{ Description string }
	}
	if err := json.Unmarshal(route.Schema(), &s); err != nil {
		t.Fatal(err)
	}
	if s.Schema != "https://json-schema.org/draft/2020-12/schema" {
		t.Errorf("got %q", s.Schema)
	}
	for name, p := range s.Properties {
		if p.Description == "" || strings.ContainsAny(p.Description, "[`") {
			t.Errorf("%s is described as %q", name, p.Description)
		}
	}
}
