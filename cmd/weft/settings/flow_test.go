package settings_test

import (
	"reflect"
	"strings"
	"testing"

	"weft/bridge"
	"weft/cmd/weft/settings"
	"weft/jetstream/server"
)

func TestFlowStyleMeansWhatBlockStyleMeans(t *testing.T) {
	seeds := func(c *settings.Config) any { return c.Cluster.Seeds }
	brokers := func(c *settings.Config) any { return c.Kafka.Brokers }
	users := func(c *settings.Config) any { return c.Node.Users }
	origins := func(c *settings.Config) any { return c.Public.CORSOrigins }
	for name, tc := range map[string]struct {
		text string
		of   func(*settings.Config) any
		want any
	}{
		"a list in a section":           {"cluster: {seeds: [a:1, b:2], secret: s}", seeds, []string{"a:1", "b:2"}},
		"without blanks":                {"cluster: {secret: s, seeds: [a:1,b:2]}", seeds, []string{"a:1", "b:2"}},
		"a comma at the end":            {"cluster: {secret: s, seeds: [a:1, b:2, ], }", seeds, []string{"a:1", "b:2"}},
		"blanks around":                 {"cluster: {secret: s, seeds: [ a:1 , b:2 ] }", seeds, []string{"a:1", "b:2"}},
		"over lines":                    {"cluster: {\n  secret: s,\n  seeds: [\n    a:1, # one\n    b:2,\n  ],\n}", seeds, []string{"a:1", "b:2"}},
		"line ends of Windows":          {"cluster: {\r\n  secret: s,\r\n  seeds: [\r\n    a:1,\r\n    b:2\r\n  ]\r\n}\r\n", seeds, []string{"a:1", "b:2"}},
		"a list in a block":             {"cluster:\n  secret: s\n  seeds: [a:1, b:2]", seeds, []string{"a:1", "b:2"}},
		"the whole file":                {"{cluster: {secret: s, seeds: [a:1, b:2]}, log: {level: warn}}", seeds, []string{"a:1", "b:2"}},
		"JSON":                          {`{"cluster":{"secret":"s","seeds":["a:1","b:2"]},"log":{"level":"warn"}}`, seeds, []string{"a:1", "b:2"}},
		"JSON over lines":               {"{\n  \"cluster\": {\n    \"secret\": \"s\",\n    \"seeds\": [\n      \"a:1\"\n    ]\n  }\n}\n", seeds, []string{"a:1"}},
		"quoted and plain":              {`cluster: {secret: s, seeds: ["[::1]:6222", 'b:2', c:3]}`, seeds, []string{"[::1]:6222", "b:2", "c:3"}},
		"an anchor":                     {"cluster: {secret: s, seeds: [a:1, &s b:2, *s]}", seeds, []string{"a:1", "b:2", "b:2"}},
		"digits around the colon":       {"cluster: {secret: s, seeds: [10:1]}", seeds, []string{"10:1"}},
		"an address of IPv4":            {"kafka: {brokers: [10.0.0.1:9092, 10.0.0.2:9092]}", brokers, []string{"10.0.0.1:9092", "10.0.0.2:9092"}},
		"an address of IPv6":            {"public: {trusted_proxies: [fe80::1/128, ::1/128]}", func(c *settings.Config) any { return c.Public.TrustedProxies }, []string{"fe80::1/128", "::1/128"}},
		"a URL with a port":             {"public: {cors_origins: [https://a.example:8443, http://b]}", origins, []string{"https://a.example:8443", "http://b"}},
		"a section in a list":           {"node: {users: [{name: a, password: b, role: publisher}]}", users, []server.User{{Name: "a", Password: "b", Role: "publisher"}}},
		"sections in a list in a block": {"node:\n  users: [{name: a, password: b, role: publisher}, {name: c, password: d, role: operator}]", users, []server.User{{Name: "a", Password: "b", Role: "publisher"}, {Name: "c", Password: "d", Role: "operator"}}},
		"a colon in a value":            {"node: {users: [{name: a, password: b:c:, role: publisher}]}", users, []server.User{{Name: "a", Password: "b:c:", Role: "publisher"}}},
		"keys in quotes":                {`node: {users: [{"name":"a","password":"b:c",'role':publisher}]}`, users, []server.User{{Name: "a", Password: "b:c", Role: "publisher"}}},
		"a list in a section in a list": {"kafka: {brokers: [b:1], sources: [{topic: orders, to: ['user.{/a}', topic.all], type: 'order.{/s}', start: newest}]}",
			func(c *settings.Config) any { return c.Kafka.Sources }, []bridge.Source{{Topic: "orders", To: []string{"user.{/a}", "topic.all"}, Type: "order.{/s}", Start: "newest"}}},
		"a value that begins with a colon": {"public: {listen: :4444}", func(c *settings.Config) any { return c.Public.Listen }, ":4444"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := load(t, settings.Source{}, tc.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := tc.of(&l.Config); !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestFlowStyleInAVariableIsReadAlike(t *testing.T) {
	l, err := load(t, environment("WEFT_KAFKA_SOURCES=[{topic: orders, to: [topic.all]}]", "WEFT_KAFKA_BROKERS=[a:1, b:2]"), "")
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(l.Kafka.Brokers, []string{"a:1", "b:2"}) || l.Kafka.Sources[0].To[0] != "topic.all" {
		t.Errorf("got %+v", l.Kafka)
	}
}

func TestASingleBlockMayStandWithoutItsList(t *testing.T) {
	const block = "{claim: /roles, any_of: [support], allow: [user.*]}"
	for name, text := range map[string]string{
		"map": "auth:\n  privileged: " + block, "list": "auth:\n  privileged:\n    - " + block, "flow": "auth: {privileged: [" + block + "]}",
		"variable": "", "variable of a map": "",
	} {
		environ := environment()
		switch name {
		case "variable":
			environ = environment("WEFT_AUTH_PRIVILEGED=[" + block + "]")
		case "variable of a map":
			environ = environment("WEFT_AUTH_PRIVILEGED=" + block)
		}
		l, err := load(t, environ, text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p := l.Auth.Privileged; len(p) != 1 || p[0].Claim != "/roles" || p[0].AnyOf[0] != "support" || p[0].Allow[0] != "user.*" {
			t.Errorf("%s: got %+v", name, p)
		}
	}
	_, err := load(t, environment(), "auth:\n  privileged:\n    claim: roles\n    any_of: [support]\n    allow: [user.*]")
	if err == nil || !strings.Contains(err.Error(), ":3: auth.privileged[0].claim") {
		t.Errorf("a mistake in a single block is %v", err)
	}
	if _, err := load(t, environment(), "kafka:\n  sources: {topic: a}"); err == nil || !strings.Contains(err.Error(), "must be a list") {
		t.Errorf("a list of which a single entry is none is %v", err)
	}
}

func TestAMistakeInFlowStyleNamesItsPlace(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"in a line":             {"log: {format: text, level: loud}", `weft.yaml:1: log.level: "loud" is none of debug, info, warn and error`},
		"over lines":            {"log: {\n  format: text,\n  level: loud\n}", `weft.yaml:3: log.level: "loud" is none of debug, info, warn and error`},
		"in a list":             {"node: {users: [\n  {name: a, password: b, role: publisher},\n  {name: b, password: c, role: boss}]}", `weft.yaml:3: node.users[1].role: "boss" is none of publisher, operator and service`},
		"a seed":                {"cluster: {\n  secret: s, seeds: [a:1,\n    b:x]}", `weft.yaml:3: cluster.seeds[1]: `},
		"a pair in a list":      {"cluster: {secret: s, seeds: [a: 1]}", `weft.yaml:1: cluster.seeds[0]: must be one value, not a section of keys`},
		"an unknown key":        {"log: {format: text,\n  levle: warn}", `weft.yaml:2: log.levle: unknown key; did you mean level?`},
		"twice":                 {"log: {level: warn,\n  level: info}", `weft.yaml:2: log.level: is there twice; first in line 1`},
		"braces unquoted":       {"log: {level: warn}\nauth: {allow: [topic.{/a}]}", `weft.yaml:2:22: ',' or ']' must be specified; quote a value that holds one of , [ ] { }`},
		"never closed":          {"log: {level: warn\n", `weft.yaml:1:6: `},
		"a section closed by ]": {"log:\n  {level: warn]\n", `weft.yaml:2:3: `},
	} {
		t.Run(name, func(t *testing.T) {
			got := problems(t, settings.Source{}, tc.text)
			whole := !strings.HasSuffix(tc.want, " ")
			if len(got) != 1 || whole && got[0] != tc.want || !strings.HasPrefix(got[0], tc.want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), tc.want)
			}
		})
	}
}

func TestAByteOrderMarkIsNoPartOfTheText(t *testing.T) {
	for _, text := range []string{"log: {level: warn}", "# for us\r\nlog:\r\n  level: warn\r\n", "---\nlog:\n  level: warn\n", "%YAML 1.2\n---\nlog:\n  level: warn\n", "{\"log\": {\"level\": \"warn\"}}"} {
		l, err := load(t, settings.Source{}, "\xef\xbb\xbf"+text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if l.Log.Level != "warn" {
			t.Errorf("%q: level is %q", text, l.Log.Level)
		}
	}
	got := problems(t, settings.Source{}, "\xef\xbb\xbflog:\n  level: loud\n")
	if len(got) != 1 || !strings.HasPrefix(got[0], "weft.yaml:2: log.level:") {
		t.Errorf("the line of a mistake is lost: %q", got)
	}
	if got := problems(t, settings.Source{}, "\xef\xbb\xbf"); got != nil {
		t.Errorf("nothing but a mark: %q", got)
	}
}

func TestTextOfAnotherEncodingIsSaidToBeSo(t *testing.T) {
	wide := func(order ...int) string { // each letter of log: {} at one of so many bytes
		var b strings.Builder
		for _, c := range []byte("log: {}\n") {
			for i := range order[0] {
				if i == order[1] {
					b.WriteByte(c)
				} else {
					b.WriteByte(0)
				}
			}
		}
		return b.String()
	}
	for name, text := range map[string]string{
		"UTF-16LE with a mark": "\xff\xfe" + wide(2, 0), "UTF-16BE with a mark": "\xfe\xff" + wide(2, 1),
		"UTF-16LE": wide(2, 0), "UTF-16BE": wide(2, 1),
		"UTF-32LE with a mark": "\xff\xfe\x00\x00" + wide(4, 0), "UTF-32BE with a mark": "\x00\x00\xfe\xff" + wide(4, 3),
	} {
		got := problems(t, settings.Source{}, text)
		if len(got) != 1 || got[0] != "weft.yaml:1: is UTF-16 or UTF-32; save it as UTF-8" {
			t.Errorf("%s: got %q", name, got)
		}
	}
}
