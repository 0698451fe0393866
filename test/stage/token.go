package stage

import (
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Secret is the HS256 key that the tests' nodes accept.
const Secret = "0123456789abcdef0123456789abcdef"

// Claims are those of a token. Token adds sub, iat and exp where they are
// missing.
type Claims map[string]any

// Token mints a token for a user, good for an hour.
func Token(t testing.TB, user string, claims Claims) string {
	t.Helper()
	now := time.Now()
	all := jwt.MapClaims{"sub": user, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	for k, v := range claims {
		all[k] = v
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, all).SignedString([]byte(Secret))
	if err != nil {
		t.Fatalf("sign token: %v", err)
	}
	return token
}
