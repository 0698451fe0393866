package auth

import (
	"encoding/json"
	"fmt"
	"strconv"
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
func (p claimPath) in(claims map[string]any) any {
	var v any = claims
	for _, token := range p {
		switch node := v.(type) {
		case map[string]any:
			v = node[token]
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(node) || token != strconv.Itoa(i) {
				return nil
			}
			v = node[i]
		default:
			return nil
		}
	}
	return v
}

// scalar writes a string, number or bool as text. A number stays as the token
// has it.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// scalars is scalar for a value that may be a list; anything else in it is left out.
func scalars(v any) []string {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var out []string
	for _, e := range list {
		if s, ok := scalar(e); ok {
			out = append(out, s)
		}
	}
	return out
}

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
	s, _ := scalar(v)
	if len(s) > subject.MaxToken {
		return "", fmt.Errorf("is longer than %d bytes", subject.MaxToken)
	}
	return s, nil
}
