package auth

import (
	"encoding/json"
	"log/slog"
	"reflect"
	"testing"
)

func TestClaimsAreThoseOfTheToken(t *testing.T) {
	cfg := Default()
	cfg.Issuers = []Issuer{{Keys: []Key{{Alg: "HS256", Secret: "a secret that is long enough for HS256"}}}}
	v, err := New(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := Mint(cfg, "ann", map[string]any{"roles": []string{"buyer"}, "big": json.Number("12345678901234567890")})
	if err != nil {
		t.Fatal(err)
	}
	got := v.Claims(token)
	if got["sub"] != "ann" || got["big"] != json.Number("12345678901234567890") || !reflect.DeepEqual(got["roles"], []any{"buyer"}) {
		t.Errorf("%v", got)
	}
	for _, none := range []string{"", "a", "a.b.c", "..", token + "."} {
		if c := v.Claims(none); c["roles"] != nil && none != token+"." {
			t.Errorf("%q has the claims %v", none, c)
		}
	}
}

func TestAUserOfModeNoneHasNoClaimButTheName(t *testing.T) {
	cfg := Default()
	cfg.Mode, cfg.User = ModeNone, "/data/user"
	v, err := New(cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := v.TrustedClaims("ann"); !reflect.DeepEqual(got, map[string]any{"data": map[string]any{"user": "ann"}}) {
		t.Errorf("%v", got)
	}
}

func BenchmarkClaims(b *testing.B) {
	cfg := Default()
	cfg.Issuers = []Issuer{{Keys: []Key{{Alg: "HS256", Secret: "a secret that is long enough for HS256"}}}}
	v, _ := New(cfg, slog.New(slog.DiscardHandler), nil)
	token, _ := Mint(cfg, "ann", map[string]any{"roles": []string{"buyer"}, "jti": "one"})
	b.ReportAllocs()
	for b.Loop() {
		v.Claims(token)
	}
}
