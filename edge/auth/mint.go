package auth

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// mintLife is how long a minted token is valid unless its claims say otherwise.
const mintLife = time.Hour

// ErrNoSigningKey is wrapped by Mint's error when no configured key can sign.
var ErrNoSigningKey = errors.New("no configured key can sign; an HMAC secret or a private key is needed")

// Mint makes a token for trying things out, signed with the first configured
// key that can sign: an HMAC secret, or a private key in a file or value. user,
// when not empty, is put where the configuration looks for it. claims may be
// nil; iat, exp (in an hour, or max_token_life when that is sooner), a session
// id and the issuer's iss and aud are added unless they are there.
func Mint(cfg Config, user string, claims map[string]any) (string, error) {
	if err := errors.Join(cfg.Check()...); err != nil {
		return "", err
	}
	g, err := compileGrants(&cfg)
	if err != nil {
		return "", err
	}
	is, k, err := signingKey(cfg.Issuers)
	if err != nil {
		return "", err
	}
	all, now := jwt.MapClaims{}, time.Now()
	all["iat"], all["exp"] = now.Unix(), now.Add(min(mintLife, cfg.MaxTokenLife)).Unix()
	if is.Issuer != "" {
		all["iss"] = is.Issuer
	}
	if is.Audience != "" {
		all["aud"] = is.Audience
	}
	maps.Copy(all, claims)
	if user != "" && !g.user.set(all, user) {
		return "", fmt.Errorf("set claim %s: another claim is in its way", cfg.User)
	}
	if g.session.in(all) == nil && !g.session.set(all, rand.Text()) {
		return "", fmt.Errorf("set claim %s: another claim is in its way", cfg.Session)
	}
	t := jwt.NewWithClaims(algorithms[k.algs[0]].method, all)
	if k.kid != "" {
		t.Header["kid"] = k.kid
	}
	s, err := t.SignedString(k.private)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return s, nil
}

func signingKey(issuers []Issuer) (*Issuer, *key, error) {
	for i := range issuers {
		for n, kc := range issuers[i].Keys {
			k, err := readKey(kc)
			if err != nil {
				return nil, nil, fmt.Errorf("auth.issuers[%d].keys[%d]: %w", i, n, err)
			}
			if k.private != nil {
				return &issuers[i], k, nil
			}
		}
	}
	return nil, nil, ErrNoSigningKey
}

// set puts a value where the path leads, making objects on the way. It
// reports false when something that is no object is there.
func (p claimPath) set(claims map[string]any, v any) bool {
	for _, token := range p[:len(p)-1] {
		next, ok := claims[token].(map[string]any)
		if !ok {
			if claims[token] != nil {
				return false
			}
			next = map[string]any{}
			claims[token] = next
		}
		claims = next
	}
	claims[p[len(p)-1]] = v
	return true
}
