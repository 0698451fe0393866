package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// errUnusable is wrapped by the errors about a set that was fetched and cannot
// be used.
var errUnusable = errors.New("key set is of no use")

// jwkSet is what a JSON Web Key Set (RFC 7517) has for us.
type jwkSet struct {
	keys    []*key    // those that can verify
	refused []refusal // the others
	cut     bool      // the set was longer than maxJWKS; this is its beginning
}

// refusal is a key of a set that is not used, and why.
type refusal struct {
	kid, kty string // as far as they are known
	why      error
}

func (r refusal) String() string {
	var b strings.Builder
	if r.kid != "" {
		fmt.Fprintf(&b, "kid %.80q", r.kid)
	}
	if r.kty != "" {
		fmt.Fprintf(&b, " kty %.20s", r.kty)
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	b.WriteString(r.why.Error())
	return strings.TrimLeft(b.String(), " ")
}

// maxCauses bounds how many refused keys a line of the log names.
const maxCauses = 20

// causes says of each refused key why.
func (s *jwkSet) causes() string {
	var list []string
	for _, r := range s.refused[:min(len(s.refused), maxCauses)] {
		list = append(list, r.String())
	}
	if more := len(s.refused) - maxCauses; more > 0 {
		list = append(list, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(list, "; ")
}

// parseJWKS reads a set. Keys that are not for verifying signatures, or that are
// not understood, are left out (section 5), and none takes another one with it.
// The error wraps errUnusable; that nothing is left is one, too: a set without
// keys would lock everybody out, and is far more often a fault of its server
// than a wish. Of a set that is cut at its end the keys before it count.
func parseJWKS(b []byte, cut bool) (jwkSet, error) {
	set := jwkSet{cut: cut}
	list, err := splitJWKS(b)
	if err != nil && (!cut || len(list) == 0) {
		return set, fmt.Errorf("%w: %w", errUnusable, err)
	}
	for _, raw := range list {
		k, refused := parseJWK(raw)
		if refused != nil {
			set.refused = append(set.refused, *refused)
			continue
		}
		set.keys = append(set.keys, k)
	}
	switch {
	case len(list) == 0:
		return set, fmt.Errorf("%w: it holds no key", errUnusable)
	case len(set.keys) == 0:
		return set, fmt.Errorf("%w: none of its %d keys can verify a signature", errUnusable, len(list))
	}
	return set, nil
}

// splitJWKS returns the keys of a set as they are written; with an error, those
// before it.
func splitJWKS(b []byte) (list []json.RawMessage, err error) {
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, errors.New("the answer is empty")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil {
		return nil, fmt.Errorf("it is no JSON: %w", err)
	} else if t != json.Delim('{') {
		return nil, errors.New("it is no JSON object")
	}
	found, elsewhere := false, ""
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return list, fmt.Errorf("it is no JSON: %w", err)
		}
		var member json.RawMessage
		if name == "keys" {
			found = true
			if list, err = splitList(d); err != nil {
				return list, err
			}
		} else if err := d.Decode(&member); err != nil {
			return list, fmt.Errorf("it is no JSON: %w", err)
		} else if name == "jwks_uri" {
			_ = json.Unmarshal(member, &elsewhere) // only for the hint
		}
	}
	if _, err := d.Token(); err != nil {
		return list, fmt.Errorf("it is no JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return list, errTrailing
	}
	switch {
	case !found && elsewhere != "":
		return nil, fmt.Errorf("it is an OpenID configuration; the key set is at its jwks_uri, %.200q", elsewhere)
	case !found:
		return nil, errors.New("it has no member keys")
	}
	return list, nil
}

func splitList(d *json.Decoder) (list []json.RawMessage, err error) {
	if t, err := d.Token(); err != nil {
		return nil, fmt.Errorf("it is no JSON: %w", err)
	} else if t != json.Delim('[') {
		return nil, errors.New("its member keys is no list")
	}
	for d.More() {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return list, fmt.Errorf("it is no JSON: %w", err)
		}
		list = append(list, raw)
	}
	if _, err := d.Token(); err != nil {
		return list, fmt.Errorf("it is no JSON: %w", err)
	}
	return list, nil
}
