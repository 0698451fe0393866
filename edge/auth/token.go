package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// parsed is a token that was taken apart and not yet verified.
type parsed struct {
	alg, kid, iss string
	claims        jwt.MapClaims
	whole         string
	head          string // the header as the token has it
	signed        string // what the signature is of: header and claims
	signature     []byte
}

// parser decodes strictly: with lax base64 the last character of a segment
// could be changed without invalidating the token, and a token without a
// session claim would get a new session id.
var parser = jwt.NewParser(jwt.WithStrictDecoding())

// A header is what counts of a token's.
type header struct{ alg, kid string }

// headers remembers the headers of tokens whose signature was good. An issuer has
// one for each of its keys, and all its tokens begin with the same bytes.
type headers struct {
	mu    sync.RWMutex
	known map[string]header
}

// maxHeaders bounds how many headers are remembered; beyond it they are read each
// time.
const maxHeaders = 64

func (h *headers) get(segment string) (header, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	known, ok := h.known[segment]
	return known, ok
}

func (h *headers) put(segment string, read header) {
	if _, ok := h.get(segment); ok {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.known == nil {
		h.known = make(map[string]header)
	}
	if len(h.known) < maxHeaders {
		h.known[strings.Clone(segment)] = read
	}
}

var errNotJWT = invalid("token is not a JSON Web Token")

// parse takes a token apart.
func (h *headers) parse(token string) (*parsed, error) {
	// Go's base64 skips line breaks even when strict.
	if strings.ContainsAny(token, "\r\n") {
		return nil, errNotJWT
	}
	head, rest, _ := strings.Cut(token, ".")
	body, signature, ok := strings.Cut(rest, ".")
	if !ok || strings.Contains(signature, ".") {
		return nil, errNotJWT
	}
	p := &parsed{claims: jwt.MapClaims{}, whole: token, head: head, signed: token[:len(token)-len(signature)-1]}
	known, ok := h.get(head)
	if !ok {
		var err error
		if known, err = readHeader(head); err != nil {
			return nil, err
		}
	}
	p.alg, p.kid = known.alg, known.kid
	claims, err := parser.DecodeSegment(body)
	if err != nil {
		return nil, errNotJWT
	}
	if decodeClaims(claims, &p.claims) != nil {
		return nil, errNotJWT
	}
	if p.signature, err = parser.DecodeSegment(signature); err != nil {
		return nil, errNotJWT
	}
	if !utf8.Valid(claims) {
		// JSON decoding would make one user of all that differ in bad bytes.
		return nil, invalid("the claims of the token are not UTF-8")
	}
	p.iss, _ = p.claims["iss"].(string)
	return p, nil
}

// readHeader reads the first segment of a token.
func readHeader(segment string) (h header, err error) {
	text, err := parser.DecodeSegment(segment)
	if err != nil {
		return h, errNotJWT
	}
	var fields map[string]any
	if json.Unmarshal(text, &fields) != nil {
		return h, errNotJWT
	}
	h.alg, _ = fields["alg"].(string)
	if jwt.GetSigningMethod(h.alg) == nil {
		return h, invalid("the algorithm of the token is not supported")
	}
	if _, ok := algorithms[h.alg]; !ok {
		return h, invalid("the algorithm %.20q is refused", h.alg)
	}
	if _, ok := fields["crit"]; ok {
		// RFC 7515 section 4.1.11: extensions that are not understood invalidate.
		return h, invalid("token has a critical header that is not supported")
	}
	if kid, ok := fields["kid"]; ok {
		if h.kid, ok = kid.(string); !ok {
			return h, invalid("the key id of the token is no string")
		}
	}
	return h, nil
}

// digest is the session id of a token without a session claim.
func (p *parsed) digest() string {
	whole := p.whole
	if c := algorithms[p.alg].curve; c != nil {
		sig := p.signature
		// With (r, s) also (r, n-s) is a valid signature.
		half := len(sig) / 2
		s, n := new(big.Int).SetBytes(sig[half:]), c.Params().N
		if low := new(big.Int).Sub(n, s); low.Cmp(s) < 0 {
			sig = append([]byte{}, sig...)
			low.FillBytes(sig[half:])
			whole = p.signed + "." + base64.RawURLEncoding.EncodeToString(sig)
		}
	}
	sum := sha256.Sum256([]byte(whole)) // strict base64 writes it in one way only
	var text [43]byte
	base64.RawURLEncoding.Encode(text[:], sum[:])
	return string(text[:])
}
