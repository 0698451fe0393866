package auth

import (
	"errors"
	"fmt"
)

// Kinds of failure of Verify.
var (
	// ErrInvalid: this token will never be valid here.
	ErrInvalid = errors.New("token is invalid")
	// ErrExpired: the token was valid and has ended.
	ErrExpired = errors.New("token has expired")
	// ErrNotReady: the keys that would tell have not been loaded (a JWKS URL
	// that cannot be reached, or a key id that was not there at the last fetch
	// and is being looked for). The same token may be good in a few seconds.
	ErrNotReady = errors.New("token keys are not loaded yet")
)

// An Error says why a token was refused. Its text may be shown to the client
// and logged: it holds neither the token nor a key.
type Error struct {
	Kind   error // ErrInvalid, ErrExpired or ErrNotReady
	Detail string
}

func (e *Error) Error() string { return e.Detail }

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Kind }

func invalid(format string, args ...any) error {
	return &Error{Kind: ErrInvalid, Detail: fmt.Sprintf(format, args...)}
}

func expired(format string, args ...any) error {
	return &Error{Kind: ErrExpired, Detail: fmt.Sprintf(format, args...)}
}

func notReady(format string, args ...any) error {
	return &Error{Kind: ErrNotReady, Detail: fmt.Sprintf(format, args...)}
}

// results are all outcomes, as the metric names them.
var results = []string{"ok", "cached", "invalid", "expired", "not_ready"}

// result names an outcome for the metric.
func result(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, ErrExpired):
		return "expired"
	case errors.Is(err, ErrNotReady):
		return "not_ready"
	}
	return "invalid"
}
