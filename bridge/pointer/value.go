package pointer

import (
	"encoding/json"
	"strconv"
)

// Find returns the value that the tokens of a pointer lead to in a document that is
// decoded already: of maps, lists, strings, numbers as json.Number, and booleans. It is nil
// when there is none.
func Find(document any, tokens []string) any {
	for _, t := range tokens {
		switch at := document.(type) {
		case map[string]any:
			document = at[t]
		case []any:
			i := index(t)
			if i < 0 || i >= len(at) {
				return nil
			}
			document = at[i]
		default:
			return nil
		}
	}
	return document
}

// Scalar writes a string, number or boolean as text. A number stays as it is written.
func Scalar(v any) (text string, ok bool) {
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

// Scalars is Scalar for a value that may be a list; anything else in it is left out.
func Scalars(v any) []string {
	list, ok := v.([]any)
	if !ok {
		if s, ok := Scalar(v); ok {
			return []string{s}
		}
		return nil
	}
	var out []string
	for _, e := range list {
		if s, ok := Scalar(e); ok {
			out = append(out, s)
		}
	}
	return out
}
