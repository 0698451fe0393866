package settings_test

import (
	"reflect"
	"strings"
	"testing"

	"weft/cmd/weft/settings"
	"weft/config"
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
upstreams:
  - match: https://orders:8443
    tls: {ca: ca.pem, server_name: orders.internal}
    headers: {Authorization: Basic c2VjcmV0, X-Api-Key: "k: 1"}
`

func effective(t *testing.T, l *settings.Loaded) string {
	t.Helper()
	var b strings.Builder
	if err := l.WriteYAML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTheEffectiveConfigurationMasksSecretsAndNamesOrigins(t *testing.T) {
	l, err := load(t, environment("WEFT_LOG_FORMAT=json"), full)
	if err != nil {
		t.Fatal(err)
	}
	text := effective(t, l)
	for _, hidden := range []string{"p: #1", "0x10", "not so secret", "spaces", "hush", "c2VjcmV0", "k: 1"} {
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
		`headers: {Authorization: "********", X-Api-Key: "********"}`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func TestExactlyTheseKeysAreSecret(t *testing.T) {
	var got []string
	for _, l := range config.Keys(settings.Default()) {
		if l.Secret {
			got = append(got, l.Name)
		}
	}
	want := []string{"node.users[].password", "cluster.secret", "admin.token", "auth.issuers[].keys[].secret", "kafka.sasl.password", "upstreams[].headers"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
