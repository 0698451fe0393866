package access

import (
	"context"
	"errors"
	"net/http"
	"time"

	"weft/edge/auth"
	"weft/edge/problem"
)

// A Verifier knows what a token says; *auth.Verifier is one.
type Verifier interface {
	// ModeNone reports whether whoever asks is trusted to say who it is.
	ModeNone() bool
	Trusted(user string) (*auth.Identity, error)
	Anonymous() (*auth.Identity, bool)
	Verify(ctx context.Context, token string) (*auth.Identity, error)
}

// A Blacklist knows what was revoked.
type Blacklist interface {
	Loaded() bool
	Revoked(session, user string, issued time.Time) bool
}

// An Authenticator says who sends a request. Paths whose pages may come from other
// origins have one of their own. Its fields must not change while it is used; its
// methods may be called concurrently, and their errors are problems.
type Authenticator struct {
	Verifier  Verifier
	Blacklist Blacklist
	// Origins are those whose pages may use the cookie.
	Origins *Origins
	// InQuery allows a token in the query.
	InQuery bool
}

// Identify says who sends a request: whose its token is, or nobody where that is
// allowed. user counts in auth.mode none only.
func (a *Authenticator) Identify(r *http.Request, user string) (*auth.Identity, error) {
	if a.Verifier.ModeNone() {
		if a.Origins.PermitSite(r) != nil {
			return nil, otherSite()
		}
		if user != "" {
			id, err := a.Verifier.Trusted(user)
			if err != nil {
				return nil, problem.New(problem.BadRequest, "user is longer than 200 bytes")
			}
			return id, a.Revoked(id)
		}
		return a.anonymous("user is missing")
	}
	token, err := a.Token(r)
	if err != nil {
		return nil, err
	}
	if token == "" {
		return a.anonymous("a token is needed")
	}
	return a.Verify(r.Context(), token)
}

func (a *Authenticator) anonymous(missing string) (*auth.Identity, error) {
	id, ok := a.Verifier.Anonymous()
	if !ok {
		return nil, problem.New(problem.TokenMissing, missing)
	}
	return id, nil
}

// Token is the token that a request brings, "" when there is none. One from the
// cookie counts only for pages that may use it.
func (a *Authenticator) Token(r *http.Request) (string, error) {
	t, err := TokenOf(r, a.InQuery)
	if err != nil {
		return "", problem.New(problem.BadRequest, err.Error())
	}
	if a.Origins.Permit(r, t) != nil {
		return "", otherSite()
	}
	return t.Value, nil
}

func otherSite() error {
	return problem.New(problem.Forbidden, "the page's origin is not permitted; public.cors_origins adds one")
}

// Verify checks a token and the blacklist.
func (a *Authenticator) Verify(ctx context.Context, token string) (*auth.Identity, error) {
	id, err := a.Authentic(ctx, token)
	if err != nil {
		return nil, err
	}
	return id, a.Revoked(id)
}

// Authentic checks a token and not yet the blacklist, for who wants to be found by
// entries that come after it was asked.
func (a *Authenticator) Authentic(ctx context.Context, token string) (*auth.Identity, error) {
	id, err := a.Verifier.Verify(ctx, token)
	if err != nil {
		told, ok := errors.AsType[*auth.Error](err)
		switch {
		case !ok:
			return nil, err
		case errors.Is(err, auth.ErrExpired):
			return nil, problem.New(problem.TokenExpired, told.Detail)
		case errors.Is(err, auth.ErrNotReady):
			return nil, problem.New(problem.NotReady, told.Detail).RetrySoon()
		}
		return nil, problem.New(problem.TokenInvalid, told.Detail)
	}
	return id, nil
}

// Revoked refuses who is on the blacklist, and everybody while it is not loaded.
func (a *Authenticator) Revoked(id *auth.Identity) error {
	if id.User == "" && id.Session == "" {
		return nil
	}
	if !a.Blacklist.Loaded() {
		return problem.New(problem.NotReady, "the blacklist is not loaded; come back later").RetrySoon()
	}
	if a.Blacklist.Revoked(id.Session, id.User, id.Issued) {
		return problem.New(problem.TokenRevoked, "the token was revoked")
	}
	return nil
}
