package settings_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"weft/cmd/weft/settings"
	"weft/config"
)

// load loads text as the file weft.yaml; without text there is no file.
func load(t *testing.T, src settings.Source, text string) (*settings.Loaded, error) {
	t.Helper()
	if text != "" {
		t.Chdir(t.TempDir())
		src.Path = "weft.yaml"
		if err := os.WriteFile(src.Path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return settings.Load(src)
}

func environment(pairs ...string) settings.Source {
	return settings.Source{Source: config.Source{Environ: pairs}}
}

// problems loads text and returns what is wrong with it, a line each.
func problems(t *testing.T, src settings.Source, text string) []string {
	t.Helper()
	_, err := load(t, src, text)
	if err == nil {
		return nil
	}
	var ds config.Diagnostics
	if !errors.As(err, &ds) {
		t.Fatalf("error is %T, want Diagnostics: %v", err, err)
	}
	return strings.Split(ds.Error(), "\n")
}

func TestAnEmptyFileIsTheDefaults(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "events:\n  # max_age: 1h\n", "cluster:\n"} {
		l, err := load(t, settings.Source{}, text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if l.Events.MaxAge != 24*time.Hour || l.Cluster != nil {
			t.Errorf("%q: changed the defaults: %+v", text, l.Config)
		}
	}
}

func TestEachMistakeNamesFileLineAndKey(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"duration":        {"events:\n  max_age: 1 day\n", `weft.yaml:2: events.max_age: "1 day" is no duration; write one like 250ms, 30s, 10m or 24h`},
		"duration, bare":  {"events: {max_age: 30}\n", `weft.yaml:1: events.max_age: "30" is no duration; write one like 250ms, 30s, 10m or 24h`},
		"size":            {"events:\n  max_bytes: 1 gig\n", `weft.yaml:2: events.max_bytes: "1 gig" is no size; write one like 512, 64KiB or 1GiB`},
		"number":          {"events:\n\n  max_per_subject: many\n", `weft.yaml:3: events.max_per_subject: "many" is no whole number`},
		"fraction":        {"events: {max_per_subject: 1.5}", `weft.yaml:1: events.max_per_subject: "1.5" is no whole number`},
		"huge":            {"events: {max_per_subject: 99999999999999999999}", `weft.yaml:1: events.max_per_subject: 99999999999999999999 is out of range`},
		"range":           {"events:\n  max_per_subject: 0\n", `weft.yaml:2: events.max_per_subject: 0 is below 1`},
		"enum":            {"log:\n  level: loud\n", `weft.yaml:2: log.level: "loud" is none of debug, info, warn and error`},
		"list":            {"node:\n  listen: [a]\n", `weft.yaml:2: node.listen: must be one value, not a list`},
		"section":         {"node: here\n", `weft.yaml:1: node: must be a section of keys, not one value`},
		"nothing":         {"node:\n  listen:\n", `weft.yaml:2: node.listen: must be one value, not nothing`},
		"no list":         {"node:\n  users: ann\n", `weft.yaml:2: node.users: must be a list, not one value; write [a, b]`},
		"empty entry":     {"node:\n  users:\n  -\n", `weft.yaml:2: node.users[0]: is empty`},
		"typing error":    {"events:\n  max_aeg: 1h\n", `weft.yaml:2: events.max_aeg: unknown key; did you mean max_age?`},
		"wrong section":   {"node:\n  max_per_subject: 5\n", `weft.yaml:2: node.max_per_subject: unknown key; did you mean events.max_per_subject?`},
		"unknown section": {"evens: {}\n", `weft.yaml:1: evens: unknown key; did you mean events?`},
		"nothing near":    {"quux: 1\n", `weft.yaml:1: quux: unknown key`},
		"twice":           {"log:\n  level: info\n  level: warn\n", `weft.yaml:3: log.level: is there twice; first in line 2`},
		"two documents":   {"log: {}\n---\nlog: {}\n", `weft.yaml:3: begins a second document; a configuration is one`},
		"merge key":       {"events: &e {max_age: 1h}\nlog:\n  <<: *e\n", `weft.yaml:3: log.<<: merge keys are not read here; write the keys out`},
		"no anchor":       {"log:\n  level: *l\n", `weft.yaml:2: log.level: there is no anchor "l"`},
		"UTF-8":           {"log:\n  level: \xff\n", `weft.yaml:2: is not UTF-8`},
		"list entry":      {"node:\n  users:\n    - {name: a, password: p, role: publisher}\n    - name: b\n      password: p\n      role: boss\n", `weft.yaml:6: node.users[1].role: "boss" is none of publisher, operator and service`},
		"name of service": {"node:\n  users:\n    - {name: a b, password: p, role: service}\n", `weft.yaml:3: node.users[0].name: "a b" cannot be that of a service, which listens on _INBOX_<name>; use letters, digits, - and _`},
		"missing":         {"node:\n  users:\n    - name: a\n      role: publisher\n", `weft.yaml:3: node.users[0].password: is empty`},
		"not loopback":    {"node:\n  listen: 0.0.0.0:4222\n", `weft.yaml:2: node.listen: 0.0.0.0:4222 is beyond loopback and node.users is empty; add users or listen on 127.0.0.1`},
		"two nodes":       {"cluster:\n  size: 2\n  seeds: ['n1:6222']\n  secret: s\n", `weft.yaml:2: cluster.size: 2 nodes are a trap: when either is lost nothing can be stored; run one standalone node or at least 3`},
		"no secret":       {"cluster:\n  seeds: ['n1:6222']\n", `weft.yaml:1: cluster.secret: is empty; all nodes of a cluster share one`},
		"nobody checked":  {"auth:\n  mode: none\n", `weft.yaml:2: auth.mode: none lets anybody be any user, and others can reach public.listen :4000; listen on 127.0.0.1, or force it with --insecure-public`},
		"admin token":     {"admin:\n  listen: :4010\n", `weft.yaml:1: admin.token: is empty and admin.listen :4010 is beyond loopback; set a token or listen on 127.0.0.1`},
		"template":        {"kafka:\n  brokers: ['b:9092']\n  sources:\n    - topic: orders\n      to: ['user.{/a}', 'usr.{/b}']\n", `weft.yaml:5: kafka.sources[0].to[1]: `},
		"a route's key":   {"routes:\n  orders:\n    pattern: GET /a\n    target: http://h\n    timeout: soon\n", `weft.yaml:5: routes.orders.timeout: is no duration like 30s`},
		"a route's list":  {"routes:\n  orders:\n    pattern: GET /a\n    target: http://h\n    cors:\n      - https://a.example\n      - b\n", `weft.yaml:7: routes.orders.cors[1]: `},
		"a route lacks":   {"routes:\n  orders:\n    pattern: GET /a\n", `weft.yaml:2: routes.orders.target: is missing`},
		"a route's name":  {"routes:\n  a b: {pattern: GET /a, target: http://h}\n", `weft.yaml:2: routes.a b: is not 1 to 64 letters, digits, - and _`},
		"no route":        {"routes:\n  orders: 7\n", `weft.yaml:2: routes.orders: is no JSON object`},
		"nothing there":   {"routes:\n  orders:\n", `weft.yaml:2: routes.orders: is no JSON object: it is empty`},
		"one pattern":     {"routes:\n  orders: {pattern: 'GET /a/{x}', target: http://h}\n  stock: {pattern: 'GET /a/{y}', target: http://h}\n", `weft.yaml:3: routes.stock.pattern: is that of route "orders"`},
		"one address":     {"admin:\n  listen: 127.0.0.1:4000\n", `weft.yaml:2: admin.listen: 127.0.0.1:4000 is taken by public.listen :4000`},
		"nested key":      {"auth:\n  issuers:\n    - keys:\n        - {alg: HS1, secret: x}\n", `weft.yaml:4: auth.issuers[0].keys[0].alg: "HS1" is unknown; use one of `},
	} {
		t.Run(name, func(t *testing.T) {
			got := problems(t, settings.Source{}, tc.text)
			// Where a room words the reason, its beginning is enough.
			whole := !strings.HasSuffix(tc.want, " ")
			if len(got) != 1 || whole && got[0] != tc.want || !strings.HasPrefix(got[0], tc.want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), tc.want)
			}
		})
	}
}

func TestATextThatIsNestedTooDeeplyIsRefusedAtOnce(t *testing.T) {
	for _, text := range []string{strings.Repeat("[", 1e6), strings.Repeat("{a: ", 2e5), strings.Repeat("- ", 5e5) + "a"} {
		if got := problems(t, settings.Source{}, text); len(got) != 1 || got[0] != "weft.yaml:1: is nested too deeply" {
			t.Errorf("%.10q…: got %q", text, got)
		}
	}
}

func TestNobodyIsCheckedOnlyWhereNobodyElseComes(t *testing.T) {
	for _, src := range []settings.Source{
		environment("WEFT_AUTH_MODE=none", "WEFT_PUBLIC_LISTEN=127.0.0.1:4000"),
		{Source: environment("WEFT_AUTH_MODE=none").Source, InsecurePublic: true},
	} {
		if got := problems(t, src, ""); got != nil {
			t.Errorf("%+v: %q", src, got)
		}
	}
}

func TestTextThatIsNoYAMLNamesItsLine(t *testing.T) {
	for _, text := range []string{"log:\n  level: \"info\n", "log:\n\tlevel: info\n", "log: {level: info\n", "log: [\n", "a\nb: c: d\n"} {
		got := problems(t, settings.Source{}, text)
		if len(got) == 0 || !strings.HasPrefix(got[0], "weft.yaml:") {
			t.Errorf("%q: got %q", text, got)
		}
	}
}

func TestAllMistakesAreReportedAtOnceInTheOrderOfTheFile(t *testing.T) {
	src := settings.Source{Source: config.Source{
		Environ:  []string{"WEFT_EVENTS_MAX_BYTES=lots", "WEFT_EVENT_MAX_AGE=1h", "HOME=/root"},
		Settings: []config.Setting{{Flag: "--log-level", Key: "log.level", Value: "loud"}},
	}}
	got := problems(t, src, "evnts: {}\nevents:\n  max_age: soon\n  max_per_subject: -1\nnode:\n  listen: nowhere\n")
	want := []string{
		`weft.yaml:1: evnts: unknown key; did you mean events?`,
		`weft.yaml:3: events.max_age: "soon" is no duration; write one like 250ms, 30s, 10m or 24h`,
		`weft.yaml:4: events.max_per_subject: -1 is below 1`,
		`weft.yaml:6: node.listen: "nowhere" is no address; write host:port, for example 127.0.0.1:4222`,
		`WEFT_EVENTS_MAX_BYTES: events.max_bytes: "lots" is no size; write one like 512, 64KiB or 1GiB`,
		`WEFT_EVENT_MAX_AGE: unknown environment variable; did you mean WEFT_EVENTS_MAX_AGE?`,
		`--log-level: log.level: "loud" is none of debug, info, warn and error`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func TestASecretIsNeverInAMessage(t *testing.T) {
	got := problems(t, environment("WEFT_CLUSTER_SECRET=\xffhush"),
		"node:\n  users:\n    - {name: a, password: [hush], role: publisher}\n")
	if text := strings.Join(got, "\n"); text == "" || strings.Contains(text, "hush") {
		t.Errorf("got %q", text)
	}
}

func TestAnchorsAndTextsAreReadAsWritten(t *testing.T) {
	l, err := load(t, settings.Source{}, "events:\n  max_age: &d 1h\nnode:\n  name: 0123\n  data_dir: |-\n    /var/lib/weft\n  users:\n    - {name: '007', password: 1e3, role: &r operator}\n    - {name: b, password: 'null', role: *r}\n")
	if err != nil {
		t.Fatal(err)
	}
	if l.Node.Name != "0123" || l.Node.DataDir != "/var/lib/weft" || l.Node.Users[0].Name != "007" ||
		l.Node.Users[0].Password != "1e3" || l.Node.Users[1].Password != "null" || l.Node.Users[1].Role != "operator" {
		t.Errorf("got %+v", l.Node)
	}
}

func TestALoopOfAliasesEnds(t *testing.T) {
	if got := problems(t, settings.Source{}, "log:\n  level: &a *a\n"); len(got) == 0 {
		t.Error("accepted")
	}
}
