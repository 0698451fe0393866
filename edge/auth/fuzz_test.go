package auth

import (
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"weft/jetstream/subject"
)

// FuzzVerify: nothing that was not signed gets in, and nothing panics.
func FuzzVerify(f *testing.F) {
	cfg := hmacConfig()
	cfg.Issuers[0].Keys = append(cfg.Issuers[0].Keys, Key{Alg: "RS256", Value: publicPEM(f, rsaKey())})
	v := newVerifier(f, cfg)
	good := sign(f, "HS256", []byte(secret), "", claims(nil))
	for _, s := range []string{
		"", ".", "..", "a.b.c", good[:len(good)-1], good + ".", "eyJhbGciOiJub25lIn0.e30.",
		"eyJhbGciOiJIUzI1NiJ9.bnVsbA.", "bnVsbA.bnVsbA.AAAA", "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjFlOTk5fQ.AAAA",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if token == good {
			return
		}
		_, err := v.Verify(t.Context(), token)
		if !errors.Is(err, ErrInvalid) {
			t.Fatalf("%q gives %v", token, err)
		}
	})
}

// FuzzClaims: whatever an issuer signs, the identity holds only canonical
// subjects and what was granted.
func FuzzClaims(f *testing.F) {
	cfg := hmacConfig()
	cfg.Subscribe = []string{"user.{/sub}", "topic.a{/list}.{/deep/0/x}"}
	cfg.Allow = []string{"topic.room.{/list}", "presence.{/list}"}
	cfg.Privileged = Privileges{{Claim: "/list", AnyOf: []string{"root"}, Allow: []string{"presence.topic.{/sub}.*"}}}
	v := newVerifier(f, cfg)
	for _, s := range []string{
		`{"sub":"ann","list":["a","*",">"]}`, `{"sub":1.5e3,"list":"root"}`, `{"sub":"a.b","list":[[],{},null,true]}`, `{"sub":"x","jti":{},"deep":[{"x":"y"}]}`,
		`null`, `[]`, `{"sub":"ann","exp":1e999}`, `{"sub":"ann","aud":[1],"iss":{},"nbf":[]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 4000 {
			return
		}
		v.now = func() time.Time { return time.Unix(1000, 0) }
		head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + base64.RawURLEncoding.EncodeToString(body)
		sig, err := jwt.SigningMethodHS256.Sign(head, []byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		id, err := v.Verify(t.Context(), head+"."+base64.RawURLEncoding.EncodeToString(sig))
		if err != nil {
			return
		}
		if _, err := subject.Escape(id.User); err != nil {
			t.Fatalf("user %q: %v", id.User, err)
		}
		if _, err := subject.Escape(id.Session); err != nil {
			t.Fatalf("session %q: %v", id.Session, err)
		}
		for _, s := range id.Subscribe {
			if err := subject.Check(s); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range []string{"topic.room.*", "topic.>", "user.*", "presence.*", "presence.topic.>"} {
			if id.MayFollow(s) {
				t.Fatalf("claims %q allow %s", body, s)
			}
		}
	})
}

// FuzzParseJWKS: whatever a JWKS server sends, only asymmetric keys that can
// verify, bound to algorithms that fit, come out; and a good key beside it comes
// out, too.
func FuzzParseJWKS(f *testing.F) {
	beside := keySet(f, jwk(f, rsaKey(), "beside", nil))
	f.Add(keySet(f, jwk(f, rsaKey(), "r", nil), jwk(f, edKey(f), "e", nil), jwk(f, ecKey(f, elliptic.P256()), "c", nil)))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AAAA","alg":"HS256"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"","e":"AQAB"},null,1,{"kty":"OKP","crv":"X25519","x":"AA"}]}`))
	files, err := os.ReadDir("testdata/jwks")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		f.Add(published(f, file.Name(), ecKey(f, elliptic.P256())))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, cut := range []bool{false, true} {
			set, err := parseJWKS(b, cut)
			if (err == nil) != (len(set.keys) > 0) || err != nil && !errors.Is(err, errUnusable) {
				t.Fatalf("%d keys and error %v", len(set.keys), err)
			}
			for _, r := range set.refused {
				if r.why == nil || r.why.Error() == "" {
					t.Fatal("refused without a reason")
				}
			}
			for _, k := range set.keys {
				if len(k.algs) == 0 || k.private != nil {
					t.Fatalf("key is %+v", k)
				}
				for _, alg := range k.algs {
					if err := algorithms[alg].fits(alg, k.public); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if !json.Valid(b) {
			return
		}
		set, err := parseJWKS(slices.Concat([]byte(`{"keys":[`), b, []byte(`,`), beside[len(`{"keys":[`):]), false)
		if err != nil || set.keys[len(set.keys)-1].kid != "beside" {
			t.Fatalf("takes the key beside it along: %v", err)
		}
	})
}
