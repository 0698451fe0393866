package access

import (
	"errors"
	"slices"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus"

	"weft/config"
)

func TestTheDocumentedNamesAreRead(t *testing.T) {
	var cfg Config
	err := yaml.UnmarshalWithOptions([]byte(`
cors_origins: [https://app.example.com]
token_in_query: true
trusted_proxies: [10.0.0.0/8]
limits: {connections: 1, per_user: 2, per_address: 3, connects_per_second: 4}
`), &cfg, yaml.Strict())
	if err != nil {
		t.Fatal(err)
	}
	if errs := cfg.Check("public"); len(errs) > 0 {
		t.Error(errs)
	}
	if cfg.Limits != (Limits{Connections: 1, PerUser: 2, PerAddress: 3, ConnectsPerSecond: 4}) || !cfg.TokenInQuery || len(cfg.CORSOrigins) != 1 || len(cfg.TrustedProxies) != 1 {
		t.Errorf("read %+v", cfg)
	}
}

func TestEveryMistakeIsToldAtOnceAndByKey(t *testing.T) {
	cfg := Config{
		CORSOrigins: []string{app, "*"}, TrustedProxies: []string{"x", "::1"},
		Limits: Limits{Connections: -1, PerUser: -1, PerAddress: -1, ConnectsPerSecond: -1},
	}
	var got []string
	for _, err := range cfg.Check("public") {
		var ke *config.KeyError
		if !errors.As(err, &ke) {
			t.Fatalf("%v is a %T", err, err)
		}
		got = append(got, ke.Key)
	}
	want := []string{
		"public.cors_origins[1]", "public.trusted_proxies[0]", "public.limits.connections",
		"public.limits.per_user", "public.limits.per_address", "public.limits.connects_per_second",
	}
	if !slices.Equal(got, want) {
		t.Errorf("keys are %q, want %q", got, want)
	}
}

func TestTwoLimitersCannotShareARegistry(t *testing.T) {
	reg := prometheus.NewRegistry()
	if _, err := NewLimiter(Limits{}, reg); err != nil {
		t.Fatal(err)
	}
	if _, err := NewLimiter(Limits{}, reg); err == nil {
		t.Error("the second registration is silent")
	}
}
