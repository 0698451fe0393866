package access

import (
	"errors"
	"net/http"
	"strings"
)

const (
	// Protocol is the WebSocket subprotocol of Weft. A client that offers it
	// expects it in the answer (RFC 6455 section 4.2.2).
	Protocol = "weft.v1"
	// bearerProtocol begins the offered subprotocol that carries the token,
	// the only place where a page can put one.
	bearerProtocol = "bearer."
	// Cookie is the name of the cookie that carries a token.
	Cookie = "weft_token"
	// QueryToken is the query parameter of RFC 6750 section 2.3.
	QueryToken = "access_token"
)

// maxToken bounds a token in bytes; longer ones are not even compared.
const maxToken = 8 << 10

// ErrToken is wrapped by all errors of TokenOf. Their text is safe to show.
var ErrToken = errors.New("bad token in request")

// Source is where a token was found.
type Source int

// Sources of a token.
const (
	NoToken Source = iota
	FromHeader
	FromProtocol
	FromQuery
	FromCookie
)

// Token is a token as a request brings it, not verified.
type Token struct {
	Value  string
	Source Source
}

// Explicit reports whether the page or program put the token there itself,
// which no other site's page could have done.
func (t Token) Explicit() bool { return t.Source != NoToken && t.Source != FromCookie }

// TokenOf finds the token of a request: an explicit one in the header
// Authorization, in Sec-WebSocket-Protocol, or, with inQuery, in the query;
// else that in the cookie. Several explicit ones, or several cookies, must
// agree: a request that means two identities is refused rather than guessed
// about. An Authorization of another scheme is left to whoever asked for it.
func TokenOf(r *http.Request, inQuery bool) (Token, error) {
	var t Token
	add := func(value string, source Source) error {
		switch {
		case value == "":
			return fault("token is empty")
		case len(value) > maxToken:
			return fault("token is too long")
		case t.Source == NoToken:
			t = Token{value, source}
		case t.Value != value:
			return fault("request brings two different tokens")
		}
		return nil
	}
	for _, h := range r.Header.Values("Authorization") {
		scheme, value, _ := strings.Cut(strings.TrimSpace(h), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			continue
		}
		if err := add(strings.TrimSpace(value), FromHeader); err != nil {
			return Token{}, err
		}
	}
	for _, h := range r.Header.Values("Sec-Websocket-Protocol") {
		for offer := range strings.SplitSeq(h, ",") {
			if value, ok := strings.CutPrefix(strings.TrimSpace(offer), bearerProtocol); ok {
				if err := add(value, FromProtocol); err != nil {
					return Token{}, err
				}
			}
		}
	}
	if inQuery && strings.Contains(r.URL.RawQuery, QueryToken) {
		for _, value := range r.URL.Query()[QueryToken] {
			if err := add(value, FromQuery); err != nil {
				return Token{}, err
			}
		}
	}
	if t.Source != NoToken {
		return t, nil
	}
	for _, c := range r.CookiesNamed(Cookie) {
		if c.Value == "" {
			continue // how some servers clear a cookie
		}
		// Two cookies of one name come from different hosts or paths: another
		// subdomain may have planted one.
		if err := add(c.Value, FromCookie); err != nil {
			return Token{}, err
		}
	}
	return t, nil
}

// fault is an error with a safe text that wraps ErrToken.
func fault(text string) error { return &tokenError{text} }

type tokenError struct{ text string }

func (e *tokenError) Error() string { return e.text }
func (e *tokenError) Unwrap() error { return ErrToken }
