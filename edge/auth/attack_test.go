package auth

import (
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func segment(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func TestForgedTokensAreRefused(t *testing.T) {
	other, ec := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	rsaPublic := publicPEM(t, rsaKey())
	cfg := Default()
	cfg.Issuers = []Issuer{{Keys: []Key{
		{Alg: "RS256", KID: "r", Value: rsaPublic},
		{Alg: "ES256", KID: "e", Value: publicPEM(t, ec)},
		{Alg: "HS256", KID: "h", Secret: secret},
	}}}
	v := newVerifier(t, cfg)
	good := sign(t, "ES256", ec, "e", claims(nil))
	if _, err := v.Verify(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	none := sign(t, "none", jwt.UnsafeAllowNoneSignatureType, "", claims(nil))
	body := segment(t, claims(nil))
	for name, token := range map[string]string{
		"public key as HMAC secret":     sign(t, "HS256", []byte(rsaPublic), "r", claims(nil)),
		"the same without key id":       sign(t, "HS256", []byte(rsaPublic), "", claims(nil)),
		"alg none":                      none,
		"alg NoNe":                      segment(t, map[string]string{"alg": "NoNe"}) + "." + body + ".",
		"none with a signature":         none + "abcd",
		"other key":                     sign(t, "ES256", other, "e", claims(nil)),
		"other key without key id":      sign(t, "ES256", other, "", claims(nil)),
		"swapped key id":                sign(t, "ES256", ec, "r", claims(nil)),
		"unknown key id":                sign(t, "ES256", ec, "zzz", claims(nil)),
		"algorithm of no key":           sign(t, "PS256", rsaKey(), "r", claims(nil)),
		"key id that is no string":      segment(t, map[string]any{"alg": "HS256", "kid": 1}) + "." + body + ".AAAA",
		"alg that is no string":         segment(t, map[string]any{"alg": []int{1}}) + "." + body + ".AAAA",
		"no alg":                        segment(t, map[string]any{}) + "." + body + ".AAAA",
		"critical header":               segment(t, map[string]any{"alg": "HS256", "crit": []string{"b64"}, "b64": false}) + "." + body + ".AAAA",
		"empty":                         "",
		"dots":                          "..",
		"too many parts":                good + ".x",
		"header null":                   base64.RawURLEncoding.EncodeToString([]byte("null")) + "." + body + ".AAAA",
		"claims null":                   segment(t, map[string]any{"alg": "HS256"}) + "." + base64.RawURLEncoding.EncodeToString([]byte("null")) + ".AAAA",
		"claims that are a list":        segment(t, map[string]any{"alg": "HS256"}) + "." + segment(t, []int{1}) + ".AAAA",
		"deep nesting":                  segment(t, map[string]any{"alg": "HS256"}) + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"a":`+strings.Repeat("[", 5000))) + ".AAAA",
		"padding":                       good + "=",
		"line break":                    good[:len(good)-4] + "\n" + good[len(good)-4:],
		"huge":                          good + strings.Repeat("A", MaxToken),
		"signature of another claim":    strings.Join([]string{strings.Split(good, ".")[0], segment(t, claims(map[string]any{"sub": "root"})), strings.Split(good, ".")[2]}, "."),
		"empty signature":               strings.Join(strings.Split(good, ".")[:2], ".") + ".",
		"zero signature":                strings.Join(strings.Split(good, ".")[:2], ".") + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)),
		"signature with trailing bits":  strings.Join(strings.Split(good, ".")[:2], ".") + "." + trailingBit(strings.Split(good, ".")[2]),
		"claims that are not UTF-8":     signBytes(t, `{"sub":"an`+"\xff"+`n","exp":99999999999}`),
		"token in a token (JWE: 5 dot)": good + "." + good,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := v.Verify(t.Context(), token)
			wantErr(t, err, ErrInvalid, token)
		})
	}
}

// trailingBit sets a bit of the last base64 character that carries no data.
func trailingBit(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, s[len(s)-1])
	return s[:len(s)-1] + string(alphabet[last|1])
}

// signBytes signs claims as they are with secret.
func signBytes(t *testing.T, body string) string {
	t.Helper()
	head := segment(t, map[string]any{"alg": "HS256"}) + "." + base64.RawURLEncoding.EncodeToString([]byte(body))
	sig, err := jwt.SigningMethodHS256.Sign(head, []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return head + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func TestTheSecondECDSASignatureOfATokenIsTheSameSession(t *testing.T) {
	ec := ecKey(t, elliptic.P256())
	cfg := Default()
	cfg.Issuers = []Issuer{{Keys: []Key{{Alg: "ES256", Value: publicPEM(t, ec)}}}}
	v := newVerifier(t, cfg)
	token := sign(t, "ES256", ec, "", claims(map[string]any{"jti": nil}))
	head, tail := token[:strings.LastIndex(token, ".")], token[strings.LastIndex(token, ".")+1:]
	sig, err := base64.RawURLEncoding.DecodeString(tail)
	if err != nil {
		t.Fatal(err)
	}
	s := new(big.Int).SetBytes(sig[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(sig[32:])
	twin := head + "." + base64.RawURLEncoding.EncodeToString(sig)
	a, err := v.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	b, err := v.Verify(t.Context(), twin)
	if err != nil {
		t.Fatal(err)
	}
	if twin == token || a.Session != b.Session {
		t.Errorf("sessions are %s and %s", a.Session, b.Session)
	}
}

func TestTimesOfATokenAreChecked(t *testing.T) {
	v := newVerifier(t, hmacConfig())
	now := time.Now()
	in := func(d time.Duration) int64 { return now.Add(d).Unix() }
	for _, c := range []struct {
		name    string
		changes map[string]any
		want    error
	}{
		{"good", nil, nil},
		{"without iat", map[string]any{"iat": nil}, nil},
		{"fraction", map[string]any{"exp": float64(in(time.Minute)) + 0.5}, nil},
		{"expired", map[string]any{"exp": in(-time.Hour)}, ErrExpired},
		{"expired a moment ago", map[string]any{"exp": in(-time.Second)}, ErrExpired},
		{"exp zero", map[string]any{"exp": 0}, ErrExpired},
		{"no exp", map[string]any{"exp": nil}, ErrInvalid},
		{"exp as text", map[string]any{"exp": "tomorrow"}, ErrInvalid},
		{"exp true", map[string]any{"exp": true}, ErrInvalid},
		{"too far", map[string]any{"exp": in(24*time.Hour + time.Minute)}, ErrInvalid},
		{"nearly too far", map[string]any{"exp": in(24 * time.Hour)}, nil},
		{"nbf later", map[string]any{"nbf": in(time.Minute)}, ErrInvalid},
		{"nbf within leeway", map[string]any{"nbf": in(2 * time.Second)}, nil},
		{"nbf past", map[string]any{"nbf": in(-time.Minute)}, nil},
		{"nbf as text", map[string]any{"nbf": "x"}, ErrInvalid},
		{"iat later", map[string]any{"iat": in(time.Minute)}, ErrInvalid},
		{"expired and not yet valid", map[string]any{"exp": in(-time.Minute), "nbf": in(time.Minute)}, ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			token := signHMAC(t, c.changes)
			_, err := v.Verify(t.Context(), token)
			if c.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			wantErr(t, err, c.want, token)
		})
	}
	for _, exp := range []string{"1e300", "-1e300", "9223372036854775807", "1e999", "-0"} {
		token := signBytes(t, `{"sub":"ann","exp":`+exp+`}`)
		if _, err := v.Verify(t.Context(), token); err == nil {
			t.Errorf("exp %s is accepted", exp)
		}
	}
}

func TestIssuerAndAudienceAreChecked(t *testing.T) {
	const second = "another secret of thirty-two byte"
	cfg := Default()
	cfg.Issuers = []Issuer{
		{Issuer: "https://a", Audience: "weft", Keys: []Key{{Alg: "HS256", Secret: secret}}},
		{Issuer: "https://b", Keys: []Key{{Alg: "HS256", Secret: second}}},
		{Issuer: "https://a", Audience: "other", Keys: []Key{{Alg: "HS256", Secret: second}}},
	}
	v := newVerifier(t, cfg)
	for _, c := range []struct {
		name, secret string
		changes      map[string]any
		ok           bool
	}{
		{"first", secret, map[string]any{"iss": "https://a", "aud": "weft"}, true},
		{"list of audiences", secret, map[string]any{"iss": "https://a", "aud": []string{"x", "weft"}}, true},
		{"second", second, map[string]any{"iss": "https://b"}, true},
		{"second key of the first", second, map[string]any{"iss": "https://a", "aud": "other"}, true},
		{"wrong audience", secret, map[string]any{"iss": "https://a", "aud": "else"}, false},
		{"audience of the other entry", secret, map[string]any{"iss": "https://a", "aud": "other"}, false},
		{"no audience", secret, map[string]any{"iss": "https://a"}, false},
		{"audience of a wrong type", secret, map[string]any{"iss": "https://a", "aud": []any{1}}, false},
		{"no issuer", secret, map[string]any{"aud": "weft"}, false},
		{"unknown issuer", secret, map[string]any{"iss": "https://c", "aud": "weft"}, false},
		{"issuer of another key", secret, map[string]any{"iss": "https://b"}, false},
		{"issuer that is no string", secret, map[string]any{"iss": 1}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			token := sign(t, "HS256", []byte(c.secret), "", claims(c.changes))
			_, err := v.Verify(t.Context(), token)
			if c.ok {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			wantErr(t, err, ErrInvalid, token)
		})
	}
}

func TestAHeaderIsRememberedOnlyOfGoodTokens(t *testing.T) {
	v := newVerifier(t, hmacConfig())
	good := signHMAC(t, nil)
	for i := range 3 * maxHeaders {
		forged := sign(t, "HS256", []byte("another secret of thirty-two byte"), fmt.Sprint("kid", i), claims(nil))
		if _, err := v.Verify(t.Context(), forged); err == nil {
			t.Fatal("a forged token is accepted")
		}
	}
	if n := len(v.headers.known); n != 0 {
		t.Errorf("%d headers of forged tokens are remembered", n)
	}
	for range 2 {
		if _, err := v.Verify(t.Context(), good); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(v.headers.known); n != 1 {
		t.Errorf("%d headers are remembered, want 1", n)
	}
	// A known header vouches for nothing behind it.
	forged := sign(t, "HS256", []byte("another secret of thirty-two byte"), "", claims(nil))
	if strings.Split(forged, ".")[0] != strings.Split(good, ".")[0] {
		t.Fatal("the headers differ")
	}
	if _, err := v.Verify(t.Context(), forged); err == nil {
		t.Error("a forged token with a known header is accepted")
	}
}
