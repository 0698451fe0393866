package auth

import (
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// maxTries bounds the keys with which one token is tried. Only a token that
// names no key, or one of a set that gives many the same name, gets that far.
const maxTries = 100

// issuer is a configured issuer with the keys of all its sources.
type issuer struct {
	cfg    Issuer
	fixed  []*key // from secret and value
	files  []*keyFile
	jwks   *jwks // nil: none
	claims *jwt.Validator
}

func (v *Verifier) newIssuer(cfg Issuer, m *jwksMetrics) *issuer {
	is := &issuer{cfg: cfg}
	for _, kc := range cfg.Keys {
		if kc.File != "" {
			is.files = append(is.files, &keyFile{cfg: kc, changed: v.keysChanged})
		} else if k, err := readKey(kc); err == nil { // Check has read it before
			is.fixed = append(is.fixed, k)
		}
	}
	if cfg.JWKS != "" {
		is.jwks = newJWKS(cfg.JWKS, v.cfg.JWKSRefresh, v.log, m)
		is.jwks.changed, is.jwks.now = v.keysChanged, func() time.Time { return v.now() }
	}
	opts := []jwt.ParserOption{
		jwt.WithTimeFunc(func() time.Time { return v.now() }),
		jwt.WithLeeway(v.cfg.Leeway), jwt.WithIssuedAt(), jwt.WithExpirationRequired(),
	}
	if cfg.Issuer != "" {
		opts = append(opts, jwt.WithIssuer(cfg.Issuer))
	}
	if cfg.Audience != "" {
		opts = append(opts, jwt.WithAudience(cfg.Audience))
	}
	is.claims = jwt.NewValidator(opts...)
	return is
}

// keys calls yield for each key until it returns false.
func (is *issuer) keys(yield func(*key) bool) {
	for _, k := range is.fixed {
		if !yield(k) {
			return
		}
	}
	for _, f := range is.files {
		for _, k := range f.keys() {
			if !yield(k) {
				return
			}
		}
	}
	if is.jwks != nil {
		for _, k := range is.jwks.keys() {
			if !yield(k) {
				return
			}
		}
	}
}

// verify checks everything of a token but what is in the cache. For an unknown
// key it asks missing whether the key may come.
func (v *Verifier) verify(token string, missing func(*jwks) bool) (*Identity, error) {
	if v.ModeNone() || len(v.issuers) == 0 {
		return nil, invalid("no token keys are configured")
	}
	t, err := v.headers.parse(token)
	if err != nil {
		return nil, err
	}
	known, found, waiting := false, false, false
	tries := 0
	var refused error
	for _, is := range v.issuers {
		if is.cfg.Issuer != "" && is.cfg.Issuer != t.iss {
			continue
		}
		known = true
		mine, signed := false, false
		for k := range is.keys {
			if !k.serves(t.alg, t.kid) {
				continue
			}
			mine = true
			if tries++; tries > maxTries {
				break
			}
			if algorithms[t.alg].method.Verify(t.signed, t.signature, k.public) != nil {
				continue
			}
			signed = true
			v.headers.put(t.head, header{t.alg, t.kid})
			id, err := v.accept(is, t)
			if err == nil {
				return id, nil
			}
			refused = err
			break
		}
		found = found || mine
		if is.jwks != nil && !signed && (!mine || t.kid == "") && !algorithms[t.alg].symmetric() {
			waiting = !v.ended(t) && missing(is.jwks) || waiting
		}
	}
	switch {
	case refused != nil:
		return nil, refused
	case !known:
		return nil, invalid("token is of an issuer that is not configured (iss %.80q)", t.iss)
	case waiting:
		return nil, notReady("the keys of the token's issuer are being fetched; try again")
	case found:
		return nil, invalid("the signature of the token does not match (alg %s, kid %.80q)", t.alg, t.kid)
	}
	return nil, invalid("token is signed by a key that is not configured (alg %s, kid %.80q)", t.alg, t.kid)
}

// accept judges the claims of a token whose signature is good.
func (v *Verifier) accept(is *issuer, t *parsed) (*Identity, error) {
	err := is.claims.Validate(t.claims)
	for _, c := range []struct {
		kind   error
		detail string
	}{
		{jwt.ErrTokenRequiredClaimMissing, "token lacks a claim that is required: exp, or iss and aud when they are configured"},
		{jwt.ErrTokenInvalidIssuer, "token is of another issuer"},
		{jwt.ErrTokenInvalidAudience, "token is for another audience"},
		{jwt.ErrTokenNotValidYet, "token is not valid yet (nbf)"},
		{jwt.ErrTokenUsedBeforeIssued, "token is of the future (iat)"},
		{jwt.ErrInvalidType, "token has a claim of a wrong type among exp, nbf, iat, iss and aud"},
	} {
		if errors.Is(err, c.kind) {
			return nil, invalid("%s", c.detail)
		}
	}
	if err != nil && !errors.Is(err, jwt.ErrTokenExpired) {
		return nil, invalid("the claims of the token are not valid")
	}
	expires, now := date(t.claims.GetExpirationTime()), v.now()
	if !now.Before(expires) {
		return nil, expired("token has expired")
	}
	if expires.Sub(now) > v.cfg.MaxTokenLife+v.cfg.Leeway {
		return nil, invalid("token is valid for longer than %v; let it expire sooner", v.cfg.MaxTokenLife)
	}
	return v.grants.identity(t, date(t.claims.GetIssuedAt()), expires)
}

// ended reports whether a token has expired by its own, unverified word, which
// saves looking for its key.
func (v *Verifier) ended(t *parsed) bool {
	exp, err := t.claims.GetExpirationTime()
	return err == nil && exp != nil && !v.now().Before(exp.Time)
}

// date is the time of a claim, zero when it is missing.
func date(d *jwt.NumericDate, err error) time.Time {
	if err != nil || d == nil {
		return time.Time{}
	}
	return d.Time
}
