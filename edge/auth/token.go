package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math/big"
	"strings"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// parsed is a token that was taken apart and not yet verified.
type parsed struct {
	alg, kid, iss string
	claims        jwt.MapClaims
	signed        string // what the signature is of: header and claims
	signature     []byte
}

// parser decodes strictly: with lax base64 the last character of a segment
// could be changed without invalidating the token, and a token without a
// session claim would get a new session id.
var parser = jwt.NewParser(jwt.WithStrictDecoding(), jwt.WithJSONNumber())

func parse(token string) (*parsed, error) {
	// Go's base64 skips line breaks even when strict.
	if strings.ContainsAny(token, "\r\n") {
		return nil, invalid("token is not a JSON Web Token")
	}
	p := &parsed{claims: jwt.MapClaims{}}
	t, parts, err := parser.ParseUnverified(token, p.claims)
	switch {
	case errors.Is(err, jwt.ErrTokenUnverifiable):
		return nil, invalid("the algorithm of the token is not supported")
	case err != nil:
		return nil, invalid("token is not a JSON Web Token")
	}
	p.alg, p.signature, p.signed = t.Method.Alg(), t.Signature, parts[0]+"."+parts[1]
	if _, ok := algorithms[p.alg]; !ok {
		return nil, invalid("the algorithm %.20q is refused", p.alg)
	}
	if _, ok := t.Header["crit"]; ok {
		// RFC 7515 section 4.1.11: extensions that are not understood invalidate.
		return nil, invalid("token has a critical header that is not supported")
	}
	if kid, ok := t.Header["kid"]; ok {
		if p.kid, ok = kid.(string); !ok {
			return nil, invalid("the key id of the token is no string")
		}
	}
	if claims, err := parser.DecodeSegment(parts[1]); err != nil || !utf8.Valid(claims) {
		// JSON decoding would make one user of all that differ in bad bytes.
		return nil, invalid("the claims of the token are not UTF-8")
	}
	p.iss, _ = p.claims["iss"].(string)
	return p, nil
}

// digest is the session id of a token without a session claim.
func (p *parsed) digest() string {
	sig := p.signature
	if c := algorithms[p.alg].curve; c != nil {
		// With (r, s) also (r, n-s) is a valid signature.
		half := len(sig) / 2
		s, n := new(big.Int).SetBytes(sig[half:]), c.Params().N
		if low := new(big.Int).Sub(n, s); low.Cmp(s) < 0 {
			sig = append([]byte{}, sig...)
			low.FillBytes(sig[half:])
		}
	}
	sum := sha256.Sum256([]byte(p.signed + "." + base64.RawURLEncoding.EncodeToString(sig)))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
