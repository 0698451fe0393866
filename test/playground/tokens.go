package main

import (
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// shortLife is how long a token of a page is good for, if the options do not say so: short
	// enough to see it replaced.
	shortLife = 30 * time.Second
	// longLife is that of a token that somebody types, or a request brings.
	longLife = time.Hour
)

// A mint makes tokens that the node accepts, and knows who has signed in. In earnest, this
// is the job of an identity provider. It may be used concurrently.
type mint struct {
	secret string
	life   time.Duration // of a page's tokens

	mu       sync.Mutex
	sessions map[string]string // by user
}

func newMint() *mint {
	return &mint{secret: rand.Text() + rand.Text(), life: shortLife, sessions: map[string]string{}}
}

// signIn begins a new session of user, and returns its id.
func (m *mint) signIn(user string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sessions[user] = user + "-" + rand.Text()[:8]
	return m.sessions[user]
}

// session is that of user, who signs in when there is none.
func (m *mint) session(user string) string {
	m.mu.Lock()
	session := m.sessions[user]
	m.mu.Unlock()
	if session == "" {
		return m.signIn(user)
	}
	return session
}

// signOut ends a session, so that its user signs in anew the next time.
func (m *mint) signOut(user, session string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sessions[user] == session {
		delete(m.sessions, user)
	}
}

// A token is a signed JWT and what the page shows of it. Session is the claim jti: the
// key under which all tokens of the session can be revoked.
type token struct {
	User    string    `json:"user"`
	Token   string    `json:"token"`
	Session string    `json:"session"`
	Expires time.Time `json:"expires"`
}

// issue makes a new token of the user's session.
func (m *mint) issue(user string, life time.Duration) (token, error) {
	now := time.Now()
	t := token{User: user, Session: m.session(user), Expires: now.Add(life)}
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
