package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// minRSA is the least size of an RSA key in bits (RFC 7518 section 3.3).
const minRSA = 2048

// maxRSA bounds the time that one signature takes.
const maxRSA = 16384

// algorithm is a signature algorithm of RFC 7518 section 3.1 or RFC 8037.
type algorithm struct {
	method jwt.SigningMethod
	// minSecret is the least length of an HMAC secret in bytes: that of the
	// hash (RFC 7518 section 3.2). 0: the algorithm is not symmetric.
	minSecret int
	curve     elliptic.Curve // of ES*
}

var algorithms = map[string]algorithm{
	"HS256": {method: jwt.SigningMethodHS256, minSecret: 32},
	"HS384": {method: jwt.SigningMethodHS384, minSecret: 48},
	"HS512": {method: jwt.SigningMethodHS512, minSecret: 64},
	"RS256": {method: jwt.SigningMethodRS256},
	"RS384": {method: jwt.SigningMethodRS384},
	"RS512": {method: jwt.SigningMethodRS512},
	"PS256": {method: jwt.SigningMethodPS256},
	"PS384": {method: jwt.SigningMethodPS384},
	"PS512": {method: jwt.SigningMethodPS512},
	"ES256": {method: jwt.SigningMethodES256, curve: elliptic.P256()},
	"ES384": {method: jwt.SigningMethodES384, curve: elliptic.P384()},
	"ES512": {method: jwt.SigningMethodES512, curve: elliptic.P521()},
	"EdDSA": {method: jwt.SigningMethodEdDSA},
}

func algorithmNames() string {
	return strings.Join(slices.Sorted(maps.Keys(algorithms)), ", ")
}

func (a algorithm) symmetric() bool { return a.minSecret > 0 }

func (a algorithm) sources() string {
	if a.symmetric() {
		return "secret or file"
	}
	return "file or value"
}

// A key can verify, and some can sign. Immutable.
type key struct {
	kid  string
	algs []string // of a configured key exactly one
	// public is what the algorithm's Verify takes; private what its Sign takes,
	// nil when the key can only verify.
	public, private any
}

func (k *key) serves(alg, kid string) bool {
	return (k.kid == "" || kid == "" || k.kid == kid) && slices.Contains(k.algs, alg)
}

// sameAs reports whether both verify the same tokens.
func (k *key) sameAs(o *key) bool {
	if k.kid != o.kid || !slices.Equal(k.algs, o.algs) {
		return false
	}
	if secret, ok := k.public.([]byte); ok {
		other, ok := o.public.([]byte)
		return ok && bytes.Equal(secret, other)
	}
	pub, ok := k.public.(interface{ Equal(crypto.PublicKey) bool })
	return ok && pub.Equal(o.public)
}

// parseKey reads the bytes of a configured key and checks that they fit alg.
// Its errors never quote the bytes.
func parseKey(alg string, b []byte) (*key, error) {
	a, ok := algorithms[alg]
	if !ok {
		return nil, fmt.Errorf("algorithm %q is unknown", alg)
	}
	if a.symmetric() {
		b = trimText(b)
		if bytes.Contains(b, []byte("-----BEGIN ")) {
			return nil, fmt.Errorf("%s needs a secret, and this is PEM; a public key is no secret", alg)
		}
		if len(b) < a.minSecret {
			return nil, fmt.Errorf("has %d bytes, and %s needs at least %d; make one with: openssl rand -hex 32",
				len(b), alg, a.minSecret)
		}
		return &key{algs: []string{alg}, public: b, private: b}, nil
	}
	public, private, err := parsePEM(b)
	if err != nil {
		return nil, err
	}
	if err := a.fits(alg, public); err != nil {
		return nil, err
	}
	return &key{algs: []string{alg}, public: public, private: private}, nil
}

// trimText removes the line break that an editor or echo leaves at the end of
// a secret. Random bytes, which are no text, stay as they are.
func trimText(b []byte) []byte {
	if !utf8.Valid(b) || bytes.ContainsFunc(b, func(r rune) bool { return unicode.IsControl(r) && !unicode.IsSpace(r) }) {
		return b
	}
	return bytes.TrimRight(b, "\r\n")
}

// fits reports why a public key cannot be used with the algorithm.
func (a algorithm) fits(alg string, public any) error {
	switch pub := public.(type) {
	case *rsa.PublicKey:
		if alg[0] != 'R' && alg[0] != 'P' {
			return fmt.Errorf("an RSA key does not fit %s", alg)
		}
		return checkRSA(pub)
	case *ecdsa.PublicKey:
		if a.curve == nil {
			return fmt.Errorf("an EC key does not fit %s", alg)
		}
		if pub.Curve != a.curve {
			return fmt.Errorf("%s needs a key on %s, this one is on %s", alg, a.curve.Params().Name, pub.Curve.Params().Name)
		}
		return nil
	case ed25519.PublicKey:
		if alg != "EdDSA" {
			return fmt.Errorf("an Ed25519 key does not fit %s", alg)
		}
		return nil
	}
	return fmt.Errorf("a key of type %T does not fit %s", public, alg)
}

// checkRSA reports why an RSA key verifies nothing, or not safely.
func checkRSA(pub *rsa.PublicKey) error {
	if n := pub.N.BitLen(); n < minRSA {
		return fmt.Errorf("the RSA key has %d bits, at least %d are needed", n, minRSA)
	} else if n > maxRSA {
		return fmt.Errorf("the RSA key has %d bits, at most %d are taken", n, maxRSA)
	}
	if pub.N.Bit(0) == 0 {
		return errors.New("the modulus is even")
	}
	if pub.E < 3 || pub.E%2 == 0 || pub.E > math.MaxInt32 {
		return fmt.Errorf("the exponent %d is no odd number from 3 to 2^31-1", pub.E)
	}
	return nil
}

// parsePEM returns the first key in PEM: a public key (PKIX or PKCS #1), that
// of a certificate, or a private key (PKCS #8, PKCS #1 or SEC 1). A
// certificate's dates are not looked at: it is a container for its key.
func parsePEM(b []byte) (public, private any, err error) {
	found := ""
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			break
		}
		var parsed any
		switch block.Type {
		case "PUBLIC KEY":
			parsed, err = x509.ParsePKIXPublicKey(block.Bytes)
		case "RSA PUBLIC KEY":
			parsed, err = x509.ParsePKCS1PublicKey(block.Bytes)
		case "CERTIFICATE":
			var cert *x509.Certificate
			if cert, err = x509.ParseCertificate(block.Bytes); err == nil {
				parsed = cert.PublicKey
			}
		case "PRIVATE KEY":
			parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			parsed, err = x509.ParseECPrivateKey(block.Bytes)
		default:
			found = block.Type
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("parse %s: %w", strings.ToLower(block.Type), err)
		}
		if signer, ok := parsed.(crypto.Signer); ok {
			return signer.Public(), signer, nil
		}
		return parsed, nil, nil
	}
	if found != "" {
		return nil, nil, fmt.Errorf("PEM block %.40q is no key that can be read", found)
	}
	return nil, nil, errors.New("holds no PEM block; it must be a public key, a certificate or a private key in PEM")
}
