package auth

import (
	"crypto/elliptic"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/config"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus"
)

func TestDefaultsAreGood(t *testing.T) {
	cfg := Default()
	if errs := cfg.Check(); len(errs) > 0 {
		t.Error(errs)
	}
}

func TestTheDocumentedNamesAreRead(t *testing.T) {
	cfg := Default()
	err := yaml.UnmarshalWithOptions([]byte(`
mode: jwt
issuers:
  - keys: [{alg: HS256, kid: a, secret: `+secret+`}, {alg: RS256, file: key.pem}]
    issuer: https://a
    audience: weft
  - jwks: https://b/keys
user: /sub
session: /jti
max_token_life: 12h
leeway: 3s
jwks_refresh: 1m
subscribe: ["user.{/sub}"]
allow: ["topic.hotel.*", "presence.{/sub}"]
publish: ["topic.chat.*"]
anonymous: {allow: [topic.news]}
privileged: [{claim: /roles, any_of: [support], allow: ["user.*"]}]
`), &cfg, yaml.Strict())
	if err != nil {
		t.Fatal(err)
	}
	if errs := cfg.Check(); len(errs) > 0 {
		t.Error(errs)
	}
	if cfg.MaxTokenLife != 12*time.Hour || cfg.Issuers[0].Keys[0].Secret != secret || cfg.Issuers[1].JWKS != "https://b/keys" || cfg.Privileged[0].AnyOf[0] != "support" {
		t.Errorf("read %+v", cfg)
	}
}

func TestWhoeverIsAskedAboutSubjectsHasAURLWithoutSecrets(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "",
		"https://acl.example/may?x=1":   "",
		"http://127.0.0.1:9000/may":     "",
		"https://weft:hush@acl.example": "upstreams for https://acl.example",
		"https://acl.example/#a":        "fragment",
		"https:///may":                  "name a host",
		"acl.example/may":               "must begin with",
		"https://acl example/":          "is no URL",
	} {
		cfg := Default()
		cfg.External.URL = text
		err := errors.Join(cfg.Check()...)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush")) {
			t.Errorf("%q: %v", text, err)
		}
	}
	cfg := Default()
	cfg.External.Anonymous = true
	if err := errors.Join(cfg.Check()...); err == nil || !strings.Contains(err.Error(), "auth.check.anonymous") {
		t.Errorf("visitors that nobody is asked about: %v", err)
	}
	cfg = hmacConfig()
	cfg.External.URL = "http://acl.example"
	if w := errors.Join(cfg.Warnings()...); w == nil || !strings.Contains(w.Error(), "auth.check.url") {
		t.Errorf("asking without TLS: %v", w)
	}
}

func TestEveryMistakeIsToldAtOnceAndByKey(t *testing.T) {
	p256 := publicPEM(t, ecKey(t, elliptic.P256()))
	cfg := Config{
		Mode: "jwts", User: "sub", Session: "/a~2", Leeway: -1, JWKSRefresh: time.Second,
		Issuers: []Issuer{
			{},
			{JWKS: "ftp://x"}, {JWKS: "https://%zz"},
			{Keys: []Key{
				{Alg: "none", Secret: secret}, {Alg: "HS255"}, {}, {Alg: "HS256"}, {Alg: "HS256", Secret: "weak-secret"},
				{Alg: "HS256", Value: secret}, {Alg: "ES256", Secret: secret}, {Alg: "RS256", Value: p256}, {Alg: "RS256", File: "a", Value: p256},
			}},
		},
		Subscribe:  []string{"user.{sub}", "user.*", "presence.x", ""},
		Allow:      []string{"room.x", "presence.a.b", "user.>", "topic.{/a~}", "presence.", "presence.topic."},
		Publish:    []string{"presence.x", "topic.{/x"},
		Anonymous:  Anonymous{Allow: []string{"topic.{/sub}", "presence.ann"}},
		Privileged: Privileges{{Claim: "/roles", AnyOf: []string{"a"}, Allow: []string{"user.*"}}, {Claim: "roles"}, {Claim: "/a", AnyOf: []string{"b"}, Allow: []string{"user.*", "x"}}},
		External:   CheckConfig{URL: "ftp://acl", Timeout: time.Minute, Cache: -1},
	}
	want := []string{
		"auth.mode", "auth.user", "auth.session", "auth.max_token_life", "auth.leeway", "auth.jwks_refresh",
		"auth.issuers[0]", "auth.issuers[1].jwks", "auth.issuers[2].jwks",
		"auth.issuers[3].keys[0].alg", "auth.issuers[3].keys[1].alg", "auth.issuers[3].keys[2].alg", "auth.issuers[3].keys[3]",
		"auth.issuers[3].keys[4].secret", "auth.issuers[3].keys[5].value", "auth.issuers[3].keys[6].secret", "auth.issuers[3].keys[7].value", "auth.issuers[3].keys[8]",
		"auth.subscribe[0]", "auth.subscribe[1]", "auth.subscribe[2]", "auth.subscribe[3]",
		"auth.allow[0]", "auth.allow[1]", "auth.allow[2]", "auth.allow[3]", "auth.allow[4]", "auth.allow[5]",
		"auth.publish[0]", "auth.publish[1]", "auth.anonymous.allow[0]", "auth.anonymous.allow[1]",
		"auth.privileged[1].claim", "auth.privileged[1].any_of", "auth.privileged[1].allow", "auth.privileged[2].allow[1]",
		"auth.check.url", "auth.check.timeout", "auth.check.cache", "auth.check.max_in_flight",
	}
	var got []string
	for _, err := range cfg.Check() {
		var ke *config.KeyError
		if !errors.As(err, &ke) {
			t.Fatalf("%v is a %T", err, err)
		}
		got = append(got, ke.Key)
		if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "weak-secret") {
			t.Errorf("error holds a secret: %v", err)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("keys are\n%q, want\n%q", got, want)
	}
	if _, err := New(cfg, quiet, nil); err == nil {
		t.Error("New takes a bad configuration")
	}
}

func TestTwoVerifiersCannotShareARegistry(t *testing.T) {
	reg := prometheus.NewRegistry()
	if _, err := New(hmacConfig(), quiet, reg); err != nil {
		t.Fatal(err)
	}
	if _, err := New(hmacConfig(), quiet, reg); err == nil {
		t.Error("the second registration is silent")
	}
}
