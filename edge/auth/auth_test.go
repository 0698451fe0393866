package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "0123456789abcdef0123456789abcdef"

var (
	rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return k
	})
	quiet = slog.New(slog.DiscardHandler)
)

func ecKey(t testing.TB, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func edKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func publicPEM(t testing.TB, k crypto.Signer) string {
	t.Helper()
	b, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: b}))
}

func privatePEM(t testing.TB, k crypto.Signer) string {
	t.Helper()
	b, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b}))
}

// hmacConfig trusts secret.
func hmacConfig() Config {
	cfg := Default()
	cfg.Issuers = []Issuer{{Keys: []Key{{Alg: "HS256", Secret: secret}}}}
	return cfg
}

func newVerifier(t testing.TB, cfg Config) *Verifier {
	t.Helper()
	v, err := New(cfg, quiet, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return v
}

// claims are good ones with changes; a nil value removes.
func claims(changes map[string]any) jwt.MapClaims {
	now := time.Now()
	c := jwt.MapClaims{"sub": "ann", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "jti": "s1"}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func sign(t testing.TB, alg string, k any, kid string, c jwt.MapClaims) string {
	t.Helper()
	tok := jwt.NewWithClaims(jwt.GetSigningMethod(alg), c)
	if kid != "" {
		tok.Header["kid"] = kid
	}
	s, err := tok.SignedString(k)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func signHMAC(t testing.TB, changes map[string]any) string {
	t.Helper()
	return sign(t, "HS256", []byte(secret), "", claims(changes))
}

// wantErr checks the kind of an error and that it does not hold the token.
func wantErr(t *testing.T, err, kind error, token string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("error is %v, want kind %v", err, kind)
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error is a %T, want *Error", err)
	}
	for _, part := range strings.Split(token, ".") {
		if len(part) > 20 && strings.Contains(err.Error(), part[:20]) {
			t.Fatalf("error holds a part of the token: %v", err)
		}
	}
}

func TestATokenOfEachAlgorithmIsVerified(t *testing.T) {
	ed := edKey(t)
	type pair struct {
		alg  string
		sign any
		key  Key
	}
	pairs := []pair{{"EdDSA", ed, Key{Value: publicPEM(t, ed)}}}
	for alg, size := range map[string]int{"HS256": 32, "HS384": 48, "HS512": 64} {
		s := strings.Repeat("x", size)
		pairs = append(pairs, pair{alg, []byte(s), Key{Secret: s}})
	}
	for _, alg := range rsaAlgs {
		pairs = append(pairs, pair{alg, rsaKey(), Key{Value: publicPEM(t, rsaKey())}})
	}
	for alg, c := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		k := ecKey(t, c)
		pairs = append(pairs, pair{alg, k, Key{Value: publicPEM(t, k)}})
	}
	if len(pairs) != len(algorithms) {
		t.Fatalf("%d algorithms are tested, there are %d", len(pairs), len(algorithms))
	}
	for _, p := range pairs {
		t.Run(p.alg, func(t *testing.T) {
			cfg := Default()
			p.key.Alg = p.alg
			cfg.Issuers = []Issuer{{Keys: []Key{p.key}}}
			v := newVerifier(t, cfg)
			token := sign(t, p.alg, p.sign, "", claims(nil))
			id, err := v.Verify(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			if id.User != "ann" || id.Session != "s1" {
				t.Errorf("identity is %+v", id)
			}
			broken := []byte(token)
			broken[len(broken)-10] ^= 1
			if _, err := v.Verify(t.Context(), string(broken)); !errors.Is(err, ErrInvalid) {
				t.Errorf("a changed signature gives %v", err)
			}
		})
	}
}

func TestVerifyStopsWhenItsContextHasEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newVerifier(t, hmacConfig()).Verify(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

func TestWithoutKeysNobodyGetsIn(t *testing.T) {
	v := newVerifier(t, Default())
	token := signHMAC(t, nil)
	_, err := v.Verify(t.Context(), token)
	wantErr(t, err, ErrInvalid, token)
	if _, ok := v.Anonymous(); ok {
		t.Error("visitors are allowed something")
	}
	if _, err := v.Trusted("ann"); !errors.Is(err, ErrInvalid) {
		t.Errorf("Trusted in mode jwt gives %v", err)
	}
}

func TestModeNoneTrustsTheNameAlone(t *testing.T) {
	cfg := hmacConfig()
	cfg.Mode = ModeNone
	cfg.Allow = []string{"topic.of.{/sub}", "topic.{/group}.*", "presence.*"}
	v := newVerifier(t, cfg)
	if !v.ModeNone() {
		t.Fatal("mode is not none")
	}
	id, err := v.Trusted("ann@x.org")
	if err != nil {
		t.Fatal(err)
	}
	if len(id.Subscribe) != 1 || id.Subscribe[0] != "user.ann=40x=2Eorg" {
		t.Errorf("subscribes to %v", id.Subscribe)
	}
	if !id.MayFollow("topic.of.ann=40x=2Eorg") || id.MayFollow("topic.x.y") || !id.MayFollow("presence.bob") {
		t.Error("grants are wrong")
	}
	if !id.Expires.IsZero() || id.Session != "" {
		t.Errorf("identity is %+v", id)
	}
	for _, user := range []string{"", strings.Repeat("x", 201)} {
		if _, err := v.Trusted(user); !errors.Is(err, ErrInvalid) {
			t.Errorf("user of %d bytes gives %v", len(user), err)
		}
	}
	token := signHMAC(t, nil)
	_, err = v.Verify(t.Context(), token)
	wantErr(t, err, ErrInvalid, token)
}

func TestRunEndsWithItsContext(t *testing.T) {
	for _, mode := range []string{ModeJWT, ModeNone} {
		cfg := hmacConfig()
		cfg.Mode = mode
		v := newVerifier(t, cfg)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- v.Run(ctx) }()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
