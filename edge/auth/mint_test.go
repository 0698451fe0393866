package auth

import (
	"crypto/elliptic"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestAMintedTokenIsAccepted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pem")
	ec := ecKey(t, elliptic.P256())
	if err := os.WriteFile(path, []byte(privatePEM(t, ec)), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := Default()
	cfg.User, cfg.Session, cfg.MaxTokenLife = "/who/name", "/sid", 10*time.Minute
	cfg.Issuers = []Issuer{
		{Keys: []Key{{Alg: "RS256", Value: publicPEM(t, rsaKey())}}}, // cannot sign
		{Issuer: "https://a", Audience: "weft", Keys: []Key{{Alg: "ES256", KID: "k", File: path}}},
	}
	token, err := Mint(cfg, "ann", map[string]any{"roles": []string{"x"}})
	if err != nil {
		t.Fatal(err)
	}
	id, err := newVerifier(t, cfg).Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(id.Expires); id.User != "ann" || len(id.Session) < 20 || left > 10*time.Minute || left < 9*time.Minute {
		t.Errorf("identity is %+v", id)
	}
}

func TestGivenClaimsAreKeptWhenMinting(t *testing.T) {
	cfg := hmacConfig()
	token, err := Mint(cfg, "", map[string]any{"sub": "bob", "jti": "mine", "exp": time.Now().Add(-time.Minute).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newVerifier(t, cfg).Verify(t.Context(), token); !errors.Is(err, ErrExpired) {
		t.Errorf("error is %v, want that it has expired", err)
	}
}

func TestMintSaysWhyItCannot(t *testing.T) {
	public := Default()
	public.Issuers = []Issuer{{JWKS: "https://x/keys", Keys: []Key{{Alg: "RS256", Value: publicPEM(t, rsaKey())}}}}
	if _, err := Mint(public, "ann", nil); !errors.Is(err, ErrNoSigningKey) {
		t.Errorf("public keys only: %v", err)
	}
	missing := Default()
	missing.Issuers = []Issuer{{Keys: []Key{{Alg: "RS256", File: filepath.Join(t.TempDir(), "x")}}}}
	if _, err := Mint(missing, "ann", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	blocked := hmacConfig()
	blocked.User = "/a/b"
	if _, err := Mint(blocked, "ann", map[string]any{"a": 1}); err == nil {
		t.Error("a claim in the way is silent")
	}
	if _, err := Mint(Config{}, "ann", nil); err == nil {
		t.Error("a bad configuration is silent")
	}
}
