package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/MicahParks/jwkset"
)

// maxKeys bounds the keys of a set. A token without a key id is tried with all
// that fit its algorithm.
const maxKeys = 100

var (
	rsaAlgs = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	ecAlgs  = map[string][]string{"P-256": {"ES256"}, "P-384": {"ES384"}, "P-521": {"ES512"}}
)

// parseJWKS reads a JSON Web Key Set (RFC 7517). Keys that are not for
// verifying signatures, or that are not understood, are skipped (section 5).
// It fails when nothing is left: a set without keys would lock everybody out,
// and is far more often a fault of its server than a wish.
func parseJWKS(b []byte) (keys []*key, skipped int, err error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(b, &set); err != nil {
		return nil, 0, fmt.Errorf("parse key set: %w", err)
	}
	if len(set.Keys) > maxKeys {
		return nil, 0, fmt.Errorf("parse key set: %d keys, at most %d", len(set.Keys), maxKeys)
	}
	for _, raw := range set.Keys {
		k, err := parseJWK(raw)
		if err != nil {
			skipped++
			continue
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, skipped, fmt.Errorf("parse key set: none of %d keys can verify a signature", len(set.Keys))
	}
	return keys, skipped, nil
}

// parseJWK reads one key. Its algorithm is "alg"; without that, those that fit
// its type and curve. A symmetric key is refused: whoever may read the set
// could sign with it.
func parseJWK(raw json.RawMessage) (*key, error) {
	var m jwkset.JWKMarshal
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("parse key: %w", err)
	}
	if m.KTY == jwkset.KtyOct {
		return nil, errors.New("key is symmetric")
	}
	if m.USE != "" && m.USE != jwkset.UseSig ||
		len(m.KEYOPS) > 0 && !slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify) {
		return nil, errors.New("key is not for verifying")
	}
	// The certificates are not used, and a mistake in them is no reason to
	// refuse the key beside them.
	m.X5C, m.X5T, m.X5TS256, m.X5U = nil, "", "", ""
	j, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{SkipAll: true})
	if err != nil {
		return nil, fmt.Errorf("parse key: %w", err)
	}
	k := &key{kid: m.KID, public: j.Key()}
	switch pub := k.public.(type) {
	case *rsa.PublicKey:
		if err := checkRSA(pub); err != nil {
			return nil, err
		}
		k.algs = rsaAlgs
	case *ecdsa.PublicKey:
		k.algs = ecAlgs[pub.Curve.Params().Name]
	case ed25519.PublicKey:
		k.algs = []string{"EdDSA"}
	default:
		return nil, fmt.Errorf("key of type %T cannot verify", pub)
	}
	if m.ALG != "" {
		// RFC 9864 calls EdDSA with this curve Ed25519.
		alg := string(m.ALG)
		if alg == "Ed25519" {
			alg = "EdDSA"
		}
		if !slices.Contains(k.algs, alg) {
			return nil, fmt.Errorf("key does not fit algorithm %.20q", alg)
		}
		k.algs = []string{alg}
	}
	return k, nil
}
