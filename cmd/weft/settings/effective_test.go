package settings

import (
	"reflect"
	"strings"
	"testing"
)

// full sets something of each kind.
const full = `node:
  name: n1
  users:
    - {name: orders, password: "p: #1", role: publisher}
    - {name: "on", password: "0x10", role: operator}
events: {max_age: 36h30m, max_bytes: 2GB}
auth:
  issuers:
    - keys:
        - alg: HS256
          secret: &s "not so secret: 0123456789 0123456789"
        - {alg: HS256, kid: "2", secret: *s}
    - jwks: https://ann:hush@id.example.com/keys
  allow: ["topic.hotel.*", "topic.chat.{/room}"]
  privileged: {claim: /roles, any_of: [support, "1"], allow: ["user.*"]}
kafka:
  brokers: ["127.0.0.1:9092", "[::1]:9092"]
  tls: {}
  sasl: {mechanism: PLAIN, user: weft, password: "  spaces  "}
  sources:
    - topic: orders
      to:
        - user.{/customer/id}
        - topic.orders.{key}
    - {topic: other, to: ["user.{header:x}"], type: "other.{/state}", start: newest}
`

func effective(t *testing.T, l *Loaded) string {
	t.Helper()
	var b strings.Builder
	if err := l.WriteYAML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTheEffectiveConfigurationReadsBackTheSame(t *testing.T) {
	l, err := load(Source{Path: "weft.yaml"}, []byte(full))
	if err != nil {
		t.Fatal(err)
	}
	first := unmasked(l)
	again, err := load(Source{Path: "again.yaml"}, []byte(first))
	if err != nil {
		t.Fatalf("%v\n%s", err, first)
	}
	if second := unmasked(again); second != first {
		t.Errorf("got\n%s\nwant\n%s", second, first)
	}
	if !reflect.DeepEqual(l.Node, again.Node) || !reflect.DeepEqual(l.Kafka, again.Kafka) || l.Auth.Issuers[0].Keys[0] != again.Auth.Issuers[0].Keys[0] {
		t.Errorf("got %+v\nwant %+v", again.Config, l.Config)
	}
}

func unmasked(l *Loaded) string {
	p := &printer{}
	p.section(reflect.ValueOf(&l.Config).Elem(), "", 0)
	return p.out.String()
}

func TestTheEffectiveConfigurationMasksSecretsAndNamesOrigins(t *testing.T) {
	l, err := load(Source{Path: "weft.yaml", Environ: []string{"WEFT_LOG_FORMAT=json"}}, []byte(full))
	if err != nil {
		t.Fatal(err)
	}
	text := effective(t, l)
	for _, hidden := range []string{"p: #1", "0x10", "not so secret", "spaces", "hush"} {
		if strings.Contains(text, hidden) {
			t.Errorf("%q is not masked in\n%s", hidden, text)
		}
	}
	for _, want := range []string{
		"  name: n1  # weft.yaml:2\n",
		`    - name: orders  # weft.yaml:4` + "\n" + `      password: "********"  # weft.yaml:4` + "\n",
		"  max_age: 36h30m  # weft.yaml:6\n",
		"  max_per_subject: 100\n",
		"  format: json  # WEFT_LOG_FORMAT\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func TestExactlyTheseKeysAreSecret(t *testing.T) {
	var got []string
	for _, l := range leavesOf(configType) {
		if l.secret {
			got = append(got, l.key)
		}
	}
	want := []string{"node.users[].password", "cluster.secret", "admin.token", "auth.issuers[].keys[].secret", "kafka.sasl.password"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestThePasswordOfAURLIsMasked(t *testing.T) {
	for in, want := range map[string]string{
		"https://ann:hush@example.com/keys": "https://ann:xxxxx@example.com/keys",
		"https://example.com/keys":          "https://example.com/keys",
		"a:b@c":                             "a:b@c",
	} {
		if got := withoutPassword(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func FuzzQuotedTextReadsBackTheSame(f *testing.F) {
	for _, s := range []string{"", "a", "null", "1e3", "0x1f", "1:30", "- a", "a: b", "a #b", "é\u2028\x7f", "~", "'", "\"", "\\", " x ", "12:30:45", "1.5GiB", ":4000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.ToValidUTF8(s, "") != s {
			t.Skip("strings of a configuration are UTF-8")
		}
		l, err := load(Source{}, []byte("node: {data_dir: "+quote(s)+"}\n"))
		if s == "" {
			return
		}
		if err != nil {
			t.Fatalf("%q is written %s: %v", s, quote(s), err)
		}
		if l.Node.DataDir != s {
			t.Fatalf("%q is written %s and read %q", s, quote(s), l.Node.DataDir)
		}
	})
}
