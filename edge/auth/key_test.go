package auth

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func block(kind string, b []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b})
}

func TestEveryPEMFormOfAKeyIsRead(t *testing.T) {
	ec := ecKey(t, elliptic.P256())
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)},
		&x509.Certificate{SerialNumber: big.NewInt(1)}, ec.Public(), ec)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, alg string
		pem       []byte
		signs     bool
	}{
		{"PKIX", "ES256", []byte(publicPEM(t, ec)), false},
		{"PKCS #8", "ES256", []byte(privatePEM(t, ec)), true},
		{"SEC 1 after its parameters", "ES256", append(block("EC PARAMETERS", []byte{6, 0}), block("EC PRIVATE KEY", sec1)...), true},
		{"certificate", "ES256", block("CERTIFICATE", cert), false},
		{"PKCS #1 public", "PS256", block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey)), false},
		{"PKCS #1 private", "RS256", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey())), true},
	} {
		k, err := parseKey(c.alg, c.pem)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if (k.private != nil) != c.signs {
			t.Errorf("%s: signs is not %v", c.name, c.signs)
		}
	}
}

func TestAKeyThatDoesNotFitItsAlgorithmIsRefused(t *testing.T) {
	ec, ed := publicPEM(t, ecKey(t, elliptic.P256())), publicPEM(t, edKey(t))
	for _, c := range []struct{ name, alg, key, want string }{
		{"EC for RS256", "RS256", ec, "EC key does not fit"},
		{"curve", "ES384", ec, "P-384"},
		{"Ed25519 for ES256", "ES256", ed, "Ed25519 key does not fit"},
		{"RSA for EdDSA", "EdDSA", publicPEM(t, rsaKey()), "RSA key does not fit"},
		{"PEM as secret", "HS256", ec, "this is PEM"},
		{"short secret", "HS256", "short", "at least 32"},
		{"secret padded with line breaks", "HS256", secret[:31] + "\n\n", "at least 32"},
		{"secret too short for HS512", "HS512", secret, "at least 64"},
		{"no PEM", "RS256", "hello", "no PEM block"},
		{"another block", "RS256", string(block("ENCRYPTED PRIVATE KEY", nil)), "no key that can be read"},
		{"broken block", "RS256", string(block("PUBLIC KEY", []byte("x"))), "parse public key"},
		{"unknown", "XS256", ec, "unknown"},
	} {
		if _, err := parseKey(c.alg, []byte(c.key)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v does not speak of %q", c.name, err, c.want)
		} else if strings.Contains(err.Error(), "short\n") {
			t.Errorf("%s: error quotes the secret", c.name)
		}
	}
}

func TestATextSecretLosesItsLastLineBreakAndABinaryOneNothing(t *testing.T) {
	k, err := parseKey("HS256", []byte(secret+"\r\n"))
	if err != nil || string(k.public.([]byte)) != secret {
		t.Errorf("text secret: %v", err)
	}
	binary := append(bytes.Repeat([]byte{0xff}, 32), '\n')
	if k, err = parseKey("HS256", binary); err != nil || !bytes.Equal(k.public.([]byte), binary) {
		t.Errorf("binary secret: %v", err)
	}
}

func TestAKeyFileIsReadAgainWhenItChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "key.pem")
		write := func(s string) {
			if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		old, next := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
		write(publicPEM(t, old))
		cfg := Default()
		cfg.Issuers = []Issuer{{Keys: []Key{{Alg: "ES256", File: path}}}}
		var logged bytes.Buffer
		v, err := New(cfg, slog.New(slog.NewTextHandler(&logged, nil)), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = v.Run(ctx) }()
		defer func() { cancel(); <-done }()
		check := func(want bool, token string) {
			t.Helper()
			if _, err := v.Verify(t.Context(), token); (err == nil) != want {
				t.Errorf("accepted is not %v: %v", want, err)
			}
		}
		oldToken, nextToken := sign(t, "ES256", old, "", claims(nil)), sign(t, "ES256", next, "", claims(nil))
		check(true, oldToken)
		check(false, nextToken)

		write("half a fi")
		time.Sleep(3 * filePoll)
		synctest.Wait()
		check(true, oldToken)
		if n := strings.Count(logged.String(), "cannot be read"); n != 1 {
			t.Errorf("the broken file is logged %d times, want once", n)
		}

		write(publicPEM(t, next))
		time.Sleep(2 * filePoll)
		synctest.Wait()
		check(false, oldToken)
		check(true, nextToken)
	})
}

func TestAMissingKeyFileRefusesToOpen(t *testing.T) {
	cfg := Default()
	cfg.Issuers = []Issuer{{Keys: []Key{{Alg: "ES256", File: filepath.Join(t.TempDir(), "none.pem")}}}}
	v, err := New(cfg, quiet, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "auth.issuers[0]") {
		t.Errorf("error is %v", err)
	}
}
