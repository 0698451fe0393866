package auth

import (
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// Claims are those of a token that Verify has taken, numbers as json.Number; nil of
// anything else that is no token. They are read anew each time: neither the identity of a
// connection nor a token that is remembered grows by them.
func (v *Verifier) Claims(token string) map[string]any {
	_, rest, _ := strings.Cut(token, ".")
	body, _, _ := strings.Cut(rest, ".")
	text, err := parser.DecodeSegment(body)
	if err != nil {
		return nil
	}
	claims := jwt.MapClaims{}
	if decodeClaims(text, &claims) != nil {
		return nil
	}
	return claims
}

// TrustedClaims are those of a user of mode none: nothing but the name.
func (v *Verifier) TrustedClaims(user string) map[string]any {
	claims := map[string]any{}
	v.grants.user.set(claims, user)
	return claims
}
