package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/MicahParks/jwkset"

	"weft/config/testkit/slow"
)

// published reads a set of testdata/jwks, which are written as identity
// providers write theirs, with the numbers of our keys in it.
func published(t testing.TB, name string, ec *ecdsa.PrivateKey) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "jwks", name))
	if err != nil {
		t.Fatal(err)
	}
	number := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	even := new(big.Int).Sub(rsaKey().N, big.NewInt(1))
	small := new(big.Int).Rsh(rsaKey().N, 1024)
	point := jwk(t, ec, "", nil)
	return []byte(strings.NewReplacer("$N", number(rsaKey().N), "$EVEN", number(even), "$SMALL", number(small),
		"$X", point["x"].(string), "$Y", point["y"].(string)).Replace(string(b)))
}

func TestTheSetsOfIdentityProvidersAreRead(t *testing.T) {
	ec := ecKey(t, elliptic.P256())
	for name, want := range map[string]struct{ alg, kids, refused string }{
		"keycloak.json": {"RS256", "good", `kid "Y3ZxUxqyL0yYQ1kWb6y2bm2S0ZyqgS9S5Ctk0X5mq8E" kty RSA: is for "enc" (use)|kid "pU3wqzQq" kty EC: is for "enc" (use)|kid "3f5e" kty OKP: `},
		"azure.json":    {"RS256", "old good", ""},
		"auth0.json":    {"RS256", "good next", ""},
		"google.json":   {"RS256", "good d9740a70b0972dccf75fa88bc529bd16a30573bd", ""},
		"cognito.json":  {"RS256", "good wYQ5Jm6dM0vQ=", ""},
		"eks.json":      {"RS256", "good ", ""},
		"apple.json":    {"RS256", "good fh6Bs8C", ""},
		"adfs.json":     {"RS256", "good", `kid "enc" kty RSA: is for "enc" (use)`},
		"unlucky.json":  {"ES256", "good", `kid "off" kty EC: `},
		"wild.json": {"RS256", "good", `is no object|is no object|is no object|is no object|has no kty|is no object|kid "kty": kty is no string|` +
			`kid "quantum" kty AKP: cannot verify what Weft knows|kid "secret" kty oct: is symmetric: whoever reads the set could sign|kid "x25519" kty OKP: is for "enc" (use)|` +
			`kid "x25519 alone" kty OKP: cannot verify|kid "coin" kty EC: |kid "confused" kty EC: does not fit algorithm "ES256K"|kid "short" kty EC: |` +
			`kid "1024 bits" kty RSA: the RSA key has 1024 bits, at least 2048 are needed|kid "e is 1" kty RSA: the exponent|kid "e is even" kty RSA: the exponent|kid "e is huge" kty RSA: the exponent|` +
			`kid "n is even" kty RSA: the modulus is even|kid "n is a number" kty RSA: n is no string|kid "no n" kty RSA: |kty RSA: kid is no string|` +
			`kid "wraps" kty RSA: is for "wrapKey" (key_ops)|kid "encrypts" kty RSA: is for "encrypt" (key_ops)`},
	} {
		t.Run(name, func(t *testing.T) {
			body := published(t, name, ec)
			set, err := parseJWKS(body, false)
			if err != nil {
				t.Fatal(err)
			}
			var kids, refused []string
			for _, k := range set.keys {
				kids = append(kids, k.kid)
			}
			for _, r := range set.refused {
				refused = append(refused, r.String())
			}
			if got := strings.Join(kids, " "); got != want.kids {
				t.Errorf("keys %q, want %q", got, want.kids)
			}
			if all := strings.Join(refused, "\n"); want.refused == "" && all != "" {
				t.Errorf("refused:\n%s", all)
			} else if want.refused != "" {
				causes := strings.Split(want.refused, "|")
				if !slices.EqualFunc(refused, causes, strings.HasPrefix) {
					t.Errorf("refused:\n%s\nwant:\n%s", all, strings.Join(causes, "\n"))
				}
			}
			// A token of the key that is good is good.
			cfg := Default()
			cfg.Issuers = []Issuer{{JWKS: "https://issuer.test/keys"}}
			v, err := New(cfg, quiet, nil)
			if err != nil {
				t.Fatal(err)
			}
			v.issuers[0].jwks.client.Transport = &server{status: 200, body: body}
			if err := v.Open(t.Context()); err != nil {
				t.Fatal(err)
			}
			var signer crypto.Signer = rsaKey()
			if want.alg == "ES256" {
				signer = ec
			}
			if _, err := v.Verify(t.Context(), sign(t, want.alg, signer, "good", claims(nil))); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTheLastOfVeryManyKeysVerifies(t *testing.T) {
	ec := ecKey(t, elliptic.P256())
	for _, n := range []int{100, 101, 1000} {
		keys := make([]map[string]any, n)
		for i := range keys {
			keys[i] = jwk(t, ec, fmt.Sprintf("kid-%d", i), nil)
		}
		last := ecKey(t, elliptic.P256())
		keys[n-1] = jwk(t, last, "last", nil)
		v := withSet(t, keySet(t, keys...))
		for kid, k := range map[string]*ecdsa.PrivateKey{"last": last, "kid-0": ec} {
			if _, err := v.Verify(t.Context(), sign(t, "ES256", k, kid, claims(nil))); err != nil {
				t.Errorf("%d keys, %s: %v", n, kid, err)
			}
		}
	}
}

func TestATokenWithoutAKeyIDCostsABoundedNumberOfTries(t *testing.T) {
	slow.Test(t, "keys to be made")
	ec, last := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	for n, want := range map[int]bool{maxTries: true, maxTries + 1: false} {
		keys := make([]map[string]any, n)
		for i := range keys {
			keys[i] = jwk(t, ec, fmt.Sprintf("kid-%d", i), nil)
		}
		keys[n-1] = jwk(t, last, "last", nil)
		v := withSet(t, keySet(t, keys...))
		if _, err := v.Verify(t.Context(), sign(t, "ES256", last, "", claims(nil))); (err == nil) != want {
			t.Errorf("the last of %d keys: %v", n, err)
		}
	}
}

func TestOfASetThatIsTooLongTheBeginningServes(t *testing.T) {
	ec := ecKey(t, elliptic.P256())
	keys := []map[string]any{jwk(t, ec, "first", nil)}
	for i := 0; i < 80; i++ {
		keys = append(keys, jwk(t, ec, fmt.Sprintf("kid-%d", i), map[string]any{"x5c": []string{strings.Repeat("A", maxJWKS/64)}}))
	}
	body := keySet(t, keys...)
	if len(body) <= maxJWKS {
		t.Fatalf("the set has %d bytes", len(body))
	}
	v := withSet(t, body)
	if _, err := v.Verify(t.Context(), sign(t, "ES256", ec, "first", claims(nil))); err != nil {
		t.Error(err)
	}
}

// withSet makes a verifier that has fetched body as its only set.
func withSet(t *testing.T, body []byte) *Verifier {
	t.Helper()
	cfg := Default()
	cfg.Issuers = []Issuer{{JWKS: "https://issuer.test/keys"}}
	v, err := New(cfg, quiet, nil)
	if err != nil {
		t.Fatal(err)
	}
	v.issuers[0].jwks.client.Transport = &server{status: 200, body: body}
	if err := v.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestWhatIsNoKeySetSaysWhatItIs(t *testing.T) {
	for text, want := range map[string]string{
		``:                            "is empty",
		`<html>`:                      "is no JSON",
		`[]`:                          "is no JSON object",
		`{"keys":[]}`:                 "holds no key",
		`{"keys":{}}`:                 "its member keys is no list",
		`{"keys":null}`:               "its member keys is no list",
		`{}`:                          "has no member keys",
		`{"Keys":[]}`:                 "has no member keys",
		`{"keys":[{"kty":"AKP"}]`:     "is no JSON",
		`{"keys":[{"kty":"AKP"}]} {}`: "something follows",
		`{"keys":[{"kty":"AKP"}]}`:    "none of its 1 keys can verify a signature",
		`{"issuer":"i","jwks_uri":"https://i/keys"}`: `is an OpenID configuration; the key set is at its jwks_uri, "https://i/keys"`,
	} {
		if _, err := parseJWKS([]byte(text), false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func TestJWKSKeysAreBoundToTheirAlgorithm(t *testing.T) {
	ec, ed := ecKey(t, elliptic.P384()), edKey(t)
	set, err := parseJWKS(keySet(t,
		jwk(t, rsaKey(), "bound", map[string]any{"alg": "RS512"}),
		jwk(t, rsaKey(), "free", nil),
		jwk(t, ec, "ec", map[string]any{"use": "sig", "x5t": "nonsense", "key_ops": []string{"verify"}}),
		jwk(t, ed, "ed", map[string]any{"alg": "Ed25519"}),
		// All that follow are skipped.
		map[string]any{"kty": "oct", "k": "c2VjcmV0", "kid": "oct", "alg": "HS256"},
		jwk(t, rsaKey(), "enc", map[string]any{"use": "enc"}),
		jwk(t, rsaKey(), "ops", map[string]any{"key_ops": []string{"encrypt"}}),
		jwk(t, rsaKey(), "oaep", map[string]any{"alg": "RSA-OAEP"}),
		jwk(t, rsaKey(), "hs", map[string]any{"alg": "HS256"}),
		jwk(t, ec, "curve", map[string]any{"alg": "ES256"}),
		jwk(t, ec, "off", map[string]any{"x": "AAAA"}),
		jwk(t, rsaKey(), "small", map[string]any{"n": "AQAB"}),
		map[string]any{"kty": "EC"}, map[string]any{"kty": 1}, map[string]any{},
	), false)
	if err != nil {
		t.Fatal(err)
	}
	keys := set.keys
	if len(keys) != 4 || len(set.refused) != 11 {
		t.Fatalf("%d keys, refused %v; want 4 and 11", len(keys), set.refused)
	}
	for _, c := range []struct {
		key      int
		alg, kid string
		want     bool
	}{
		{0, "RS512", "bound", true}, {0, "RS256", "bound", false}, {0, "RS512", "free", false}, {0, "RS512", "", true},
		{1, "PS256", "free", true}, {1, "HS256", "free", false}, {2, "ES384", "ec", true}, {2, "ES256", "ec", false}, {3, "EdDSA", "ed", true},
	} {
		if got := keys[c.key].serves(c.alg, c.kid); got != c.want {
			t.Errorf("key %s serves alg %s kid %q: %v", keys[c.key].kid, c.alg, c.kid, got)
		}
	}
}

func TestThePrivateHalfOfAJWKIsIgnored(t *testing.T) {
	j, err := jwkset.NewJWKFromKey(ecKey(t, elliptic.P256()), jwkset.JWKOptions{Marshal: jwkset.JWKMarshalOptions{Private: true}})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(j.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	k, refused := parseJWK(raw)
	if refused != nil {
		t.Fatal(refused)
	}
	if _, ok := k.public.(*ecdsa.PublicKey); !ok || k.private != nil {
		t.Errorf("key is %T, private %T", k.public, k.private)
	}
}
