package pointer

import (
	"encoding/json"
	"errors"
	"strings"
)

// ErrText is wrapped by Text and Texts for a value that has no plain text: an
// object, a list within a list, a null in a list, or a string that holds half
// of a surrogate pair.
var ErrText = errors.New("neither a string, a number nor a boolean")

// Text returns a string without its quotes and escapes, and a number or boolean
// as it is written.
func Text(raw []byte) (string, error) {
	if len(raw) == 0 {
		return "", ErrText
	}
	switch raw[0] {
	case '"':
		return unquote(raw)
	case '{', '[', 'n':
		return "", ErrText
	}
	return string(raw), nil
}

// Texts returns the text of a value, or of each element when it is a list.
// Nothing and null have none.
func Texts(raw []byte) ([]string, error) {
	switch {
	case len(raw) == 0 || raw[0] == 'n':
		return nil, nil
	case raw[0] != '[':
		t, err := Text(raw)
		if err != nil {
			return nil, err
		}
		return []string{t}, nil
	}
	var out []string
	for e := range elements(raw) {
		t, err := Text(e)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// unquote reads a JSON string. encoding/json turns half a surrogate pair into
// U+FFFD, which would make one user out of many: that is an error here.
func unquote(raw []byte) (string, error) {
	body := raw[1 : len(raw)-1]
	escaped := false
	for _, c := range body {
		if c == '\\' {
			escaped = true
			break
		}
	}
	if !escaped {
		return string(body), nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", ErrText
	}
	const replacement = "\uFFFD"
	if n := strings.Count(text, replacement); n > 0 {
		written := strings.Count(string(body), replacement) + countEscaped(body)
		if n != written {
			return "", ErrText
		}
	}
	return text, nil
}

// countEscaped counts how often U+FFFD itself is written as an escape.
func countEscaped(body []byte) (n int) {
	for i := 0; i+1 < len(body); i++ {
		if body[i] != '\\' {
			continue
		}
		if body[i+1] == 'u' && i+6 <= len(body) && strings.EqualFold(string(body[i+2:i+6]), "fffd") {
			n++
		}
		i++
	}
	return n
}
