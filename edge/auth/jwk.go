package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/MicahParks/jwkset"
)

var (
	rsaAlgs = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	ecAlgs  = map[string][]string{"P-256": {"ES256"}, "P-384": {"ES384"}, "P-521": {"ES512"}}
)

// members are those of a JSON object, by their exact names.
type members map[string]json.RawMessage

// text is a member that must be a string when it is there.
func (m members) text(name string) (string, error) {
	raw, ok := m[name]
	if !ok || string(raw) == "null" {
		return "", nil
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return "", fmt.Errorf("%s is no string", name)
	}
	return s, nil
}

// texts are the strings of a member that should be a list of them. Some write a
// single one without the list.
func (m members) texts(name string) []string {
	if s, err := m.text(name); err == nil && s != "" {
		return []string{s}
	}
	var list []any
	_ = json.Unmarshal(m[name], &list) // what is no list says nothing
	var texts []string
	for _, v := range list {
		if s, ok := v.(string); ok {
			texts = append(texts, s)
		}
	}
	return texts
}

// parseJWK reads one key (RFC 7517 section 4). Of its members only those are
// looked at that are of use; the others, such as certificates, may be of any
// type, and a mistake in them is no reason to refuse the key beside them.
func parseJWK(raw json.RawMessage) (*key, *refusal) {
	var m members
	if json.Unmarshal(raw, &m) != nil || m == nil {
		return nil, &refusal{why: errors.New("is no object")}
	}
	kid, badKID := m.text("kid")
	kty, badKTY := m.text("kty")
	k, err := m.key(kty)
	if err := errors.Join(badKID, badKTY, err); err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		return nil, &refusal{kid: kid, kty: kty, why: errors.New(first)}
	}
	k.kid = kid
	return k, nil
}

// key makes a key without an id. Its algorithm is "alg"; without that, those that
// fit its type and curve. A symmetric key is refused: whoever may read the set
// could sign with it.
func (m members) key(kty string) (*key, error) {
	use, err := m.text("use")
	ops := m.texts("key_ops")
	switch {
	case err != nil:
		return nil, err
	case use != "" && use != string(jwkset.UseSig):
		return nil, fmt.Errorf("is for %.20q (use)", use)
	case len(ops) > 0 && !slices.Contains(ops, string(jwkset.KeyOpsVerify)):
		return nil, fmt.Errorf("is for %.20q (key_ops)", ops[0])
	case kty == "":
		return nil, errors.New("has no kty")
	case kty == string(jwkset.KtyOct):
		return nil, errors.New("is symmetric: whoever reads the set could sign")
	}
	k := &key{}
	if k.public, err = m.public(kty); err != nil {
		return nil, err
	}
	switch pub := k.public.(type) {
	case *rsa.PublicKey:
		k.algs = rsaAlgs
	case *ecdsa.PublicKey:
		k.algs = ecAlgs[pub.Curve.Params().Name]
	case ed25519.PublicKey:
		k.algs = []string{"EdDSA"}
	}
	if len(k.algs) == 0 {
		return nil, errors.New("cannot verify signatures")
	}
	alg, err := m.text("alg")
	if err != nil {
		return nil, err
	}
	if alg == "Ed25519" { // so RFC 9864 calls EdDSA with this curve
		alg = "EdDSA"
	}
	if alg != "" {
		if !slices.Contains(k.algs, alg) {
			return nil, fmt.Errorf("does not fit algorithm %.20q", alg)
		}
		k.algs = []string{alg}
	}
	return k, nil
}

// public is the key itself (RFC 7518 section 6, RFC 8037 section 2). Private
// numbers beside it are not looked at.
func (m members) public(kty string) (any, error) {
	var j jwkset.JWKMarshal
	var bad error
	text := func(name string) string {
		s, err := m.text(name)
		if bad == nil {
			bad = err
		}
		return s
	}
	j.KTY = jwkset.KTY(kty)
	switch j.KTY {
	case jwkset.KtyRSA:
		j.N, j.E = text("n"), text("e")
	case jwkset.KtyEC:
		j.CRV, j.X, j.Y = jwkset.CRV(text("crv")), text("x"), text("y")
	case jwkset.KtyOKP:
		j.CRV, j.X = jwkset.CRV(text("crv")), text("x")
	default:
		return nil, errors.New("cannot verify what Weft knows")
	}
	if bad != nil {
		return nil, bad
	}
	parsed, err := jwkset.NewJWKFromMarshal(j, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{SkipAll: true})
	if err != nil {
		return nil, fmt.Errorf("parse key: %w", err)
	}
	if pub, ok := parsed.Key().(*rsa.PublicKey); ok {
		// The library takes the last eight bytes of an exponent of any length.
		e, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(j.E, "="))
		if err != nil || new(big.Int).SetBytes(e).Cmp(big.NewInt(int64(pub.E))) != 0 {
			return nil, errors.New("the exponent is out of range")
		}
		return pub, checkRSA(pub)
	}
	return parsed.Key(), nil
}
