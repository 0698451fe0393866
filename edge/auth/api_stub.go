// Package auth verifies tokens and says what each may see.
package auth

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config is the section auth.
type Config struct { /* see DESIGN section 9 */
}

// Identity is what a verified token (or its absence) grants. Immutable.
type Identity struct {
	User      string    // "" for an anonymous visitor
	Session   string    // /jti, else base64url SHA-256 of the token; "" anonymous
	Issued    time.Time // iat; zero when missing
	Expires   time.Time // exp; zero: never (anonymous, mode none)
	Subscribe []string  // subjects that every connection of this token receives
}

// MayFollow reports whether the identity may subscribe to subject (exact, or a wildcard that a grant covers; also presence.*).
func (id *Identity) MayFollow(subject string) bool { panic("stub") }

// MayPublish likewise for publishing.
func (id *Identity) MayPublish(subject string) bool { panic("stub") }

// Errors of Verify. Their text is safe to show.
var (
	ErrInvalid = errors.New("token_invalid")
	ErrExpired = errors.New("token_expired")
	// ErrNotReady: keys have not been loaded yet (JWKS unreachable since start); retry later.
	ErrNotReady = errors.New("not_ready")
)

type Verifier struct{}

func New(cfg Config, log *slog.Logger, reg prometheus.Registerer) (*Verifier, error) { panic("stub") }

// Open reads key files and tries JWKS URLs once (unreachable is logged, not an error); Run refreshes them.
func (v *Verifier) Open(ctx context.Context) error { panic("stub") }
func (v *Verifier) Run(ctx context.Context) error  { panic("stub") }

// Verify checks signature and claims. In mode none the "token" is ignored and user is taken.
func (v *Verifier) Verify(ctx context.Context, token string) (*Identity, error) { panic("stub") }

// Anonymous is the identity of a visitor without a token; ok is false when nothing is allowed to them.
func (v *Verifier) Anonymous() (id *Identity, ok bool) { panic("stub") }

// ModeNone reports auth.mode none; Trusted makes the identity of ?user= then.
func (v *Verifier) ModeNone() bool                         { panic("stub") }
func (v *Verifier) Trusted(user string) (*Identity, error) { panic("stub") }
