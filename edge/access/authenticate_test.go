package access

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"weft/edge/auth"
	"weft/edge/problem"
)

// told is a verifier and a blacklist that say what they are told to.
type told struct {
	none, anonymous, loading, revoked bool
	err                               error
}

func (v told) ModeNone() bool { return v.none }

func (v told) Trusted(user string) (*auth.Identity, error) { return &auth.Identity{User: user}, v.err }

func (v told) Anonymous() (*auth.Identity, bool) { return &auth.Identity{}, v.anonymous }

func (v told) Verify(_ context.Context, token string) (*auth.Identity, error) {
	return &auth.Identity{User: token, Session: "s"}, v.err
}

func (v told) Loaded() bool { return !v.loading }

func (v told) Revoked(string, string, time.Time) bool { return v.revoked }

func TestARequestIsWhoseItsTokenIs(t *testing.T) {
	for name, c := range map[string]struct {
		told
		token, user string
		want        string // the user
		code        problem.Code
	}{
		"a token":                  {told{}, "ann", "", "ann", ""},
		"user= beside a token":     {told{}, "ann", "bob", "ann", ""},
		"none":                     {told{}, "", "", "", problem.TokenMissing},
		"none, which is allowed":   {told{anonymous: true}, "", "", "", ""},
		"a revoked one":            {told{revoked: true}, "ann", "", "", problem.TokenRevoked},
		"no blacklist yet":         {told{loading: true}, "ann", "", "", problem.NotReady},
		"nobody, no blacklist yet": {told{loading: true, anonymous: true}, "", "", "", ""},
		"no keys yet":              {told{err: &auth.Error{Kind: auth.ErrNotReady}}, "ann", "", "", problem.NotReady},
		"one that has expired":     {told{err: &auth.Error{Kind: auth.ErrExpired}}, "ann", "", "", problem.TokenExpired},
		"a bad one":                {told{err: &auth.Error{Kind: auth.ErrInvalid}}, "ann", "", "", problem.TokenInvalid},
		"an error of ours":         {told{err: errors.New("the pool is empty")}, "ann", "", "", problem.Internal},
		"mode none":                {told{none: true}, "", "ann", "ann", ""},
		"mode none, revoked":       {told{none: true, revoked: true}, "", "ann", "", problem.TokenRevoked},
		"mode none, nobody":        {told{none: true}, "", "", "", problem.TokenMissing},
	} {
		t.Run(name, func(t *testing.T) {
			a := &Authenticator{Verifier: c.told, Blacklist: c.told, Origins: newOrigins(t, app)}
			r := request("/")
			if c.token != "" {
				r.Header.Set("Authorization", "Bearer "+c.token)
			}
			id, err := a.Identify(r, c.user)
			switch {
			case c.code != "":
				if p := problem.Of(err); p.Code != c.code || p.Code == problem.NotReady && p.RetryAfter == 0 {
					t.Errorf("is told %v, want %s", err, c.code)
				}
			case err != nil || id.User != c.want:
				t.Errorf("is %+v, %v, want %q", id, err, c.want)
			}
		})
	}
}

// A path whose pages come from elsewhere has an authenticator of its own.
func TestACookieIsForThePagesOfAPath(t *testing.T) {
	for origin, want := range map[string]bool{app: true, "https://shop.example": false} {
		a := &Authenticator{Verifier: told{}, Blacklist: told{}, Origins: newOrigins(t, origin)}
		r := request("/", "Cookie", Cookie+"=ann", "Origin", app)
		r.Method = http.MethodPost
		if _, err := a.Identify(r, ""); (err == nil) != want {
			t.Errorf("a path for pages of %s: %v", origin, err)
		}
	}
}
