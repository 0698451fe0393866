package auth

import (
	"encoding/json"
	"fmt"
	"strings"

	"weft/bridge/pointer"
	"weft/jetstream/subject"
)

// A claimPath is a parsed JSON Pointer into claims.
type claimPath []string

func parsePointer(s string) (claimPath, error) {
	if err := checkPointer(s); err != nil {
		return nil, err
	}
	return pointer.Split(s)
}

func checkPointer(s string) error {
	if !strings.HasPrefix(s, "/") {
		return fmt.Errorf("%q is no JSON Pointer; write one like /sub", s)
	}
	if err := pointer.Check(s); err != nil {
		return fmt.Errorf("%q is no JSON Pointer: %w", s, err)
	}
	return nil
}

// in returns the value that the path leads to in claims, nil when there is none.
func (p claimPath) in(claims map[string]any) any { return pointer.Find(claims, p) }

// identifier returns a claim that names somebody or something: a string or
// number of 1 to subject.MaxToken bytes. A claim that is missing, null or the
// empty string gives "".
func (p claimPath) identifier(claims map[string]any) (string, error) {
	v := p.in(claims)
	switch v.(type) {
	case nil:
		return "", nil
	case string, json.Number:
	default:
		return "", fmt.Errorf("is neither a string nor a number")
	}
	s, _ := pointer.Scalar(v)
	if len(s) > subject.MaxToken {
		return "", fmt.Errorf("is longer than %d bytes", subject.MaxToken)
	}
	return s, nil
}
