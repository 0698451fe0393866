package main

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// tokenLife is how long a token of the playground is good for.
const tokenLife = time.Hour

// A mint makes tokens that the node accepts. In earnest, this is the job of an
// identity provider. It may be used concurrently.
type mint struct{ secret string }

func newMint() *mint { return &mint{secret: rand.Text() + rand.Text()} }

// A token is a signed JWT and what the page shows of it. Session is the claim
// jti: the key under which the token can be revoked.
type token struct {
	User    string    `json:"user"`
	Token   string    `json:"token"`
	Session string    `json:"session"`
	Expires time.Time `json:"expires"`
}

// issue makes a new token for user, with a session id of its own.
func (m *mint) issue(user string) (token, error) {
	now := time.Now()
	t := token{User: user, Session: user + "-" + rand.Text()[:8], Expires: now.Add(tokenLife)}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{
		Issuer:    "playground",
		Subject:   user,
		ID:        t.Session,
		IssuedAt:  jwt.NewNumericDate(now),
		ExpiresAt: jwt.NewNumericDate(t.Expires),
	}).SignedString([]byte(m.secret))
	if err != nil {
		return token{}, fmt.Errorf("sign token: %w", err)
	}
	t.Token = signed
	return t, nil
}
