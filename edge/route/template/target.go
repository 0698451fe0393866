package template

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"weft/jetstream/subject"
)

// A Target makes the path or the subject of a target. It is immutable.
type Target struct {
	text  string
	parts []part
}

// String is the target as it was written.
func (t *Target) String() string { return t.text }

// Fixed reports that the target has no placeholder.
func (t *Target) Fixed() bool { return len(t.parts) == 1 && t.parts[0].kind == literal }

// Uses reports whether the target has a placeholder of the pattern.
func (t *Target) Uses(name string) bool {
	return slices.ContainsFunc(t.parts, func(p part) bool { return p.kind == pathValue && p.text == name })
}

// ParsePath reads the path of an HTTP target, which begins with /. It has values of the
// pattern only.
func ParsePath(text string, in Scope) (*Target, error) {
	parts, err := split(text, false)
	if err != nil {
		return nil, err
	}
	plain := make([]byte, 0, len(text))
	for i := range parts {
		p := &parts[i]
		if p.kind == literal {
			if err := checkPathText(p.text); err != nil {
				return nil, err
			}
			plain = append(plain, p.text...)
			continue
		}
		if !slices.Contains(in.Names, p.text) && isSpecial(p.text) {
			return nil, fmt.Errorf("{%s} is not for the path of a target, which has values of the pattern only", p.text)
		}
		if err := p.pathValue(in, nil); err != nil {
			return nil, err
		}
		plain = append(plain, 'x')
	}
	if hasDots(string(plain)) {
		return nil, errors.New(`has a "." or ".." segment`)
	}
	return &Target{text, parts}, nil
}

// isSpecial reports whether a placeholder is one that other templates have.
func isSpecial(name string) bool {
	return strings.HasPrefix(name, "/") || strings.HasPrefix(name, "header:") || strings.HasPrefix(name, "query:") ||
		slices.Contains(knownNames, name)
}

// checkPathText says why a literal cannot stand in a path (RFC 3986 section 3.3).
func checkPathText(s string) error {
	decoded, err := url.PathUnescape(s)
	if err != nil {
		return errors.New("has a malformed %; a percent sign itself is %25")
	}
	if strings.ContainsFunc(decoded, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return errors.New("has a control character")
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c == '}':
			return errors.New("} without {")
		case c != '%' && c != '/' && !isPathByte(c):
			return fmt.Errorf("%q is not for a path; escape it as %%%02X", s[i:i+1], c)
		}
	}
	return nil
}

// isPathByte reports whether a byte may stand for itself in a segment.
func isPathByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("-._~!$&'()*+,;=:@", c) >= 0
}

// Path fills the path with values as they were sent: still escaped. A value other than the
// rest stays in its segment, and none makes a segment "." or "..", or a path that begins
// with //.
func (t *Target) Path(v Values) (string, error) {
	if t.Fixed() {
		return t.parts[0].text, nil
	}
	b := make([]byte, 0, len(t.text)+64)
	for i := range t.parts {
		p := &t.parts[i]
		if p.kind == literal {
			b = append(b, p.text...)
			continue
		}
		sent, ok := v.PathValue(p.text)
		if !ok || len(b)+len(sent) > MaxFilled {
			return "", ErrMissing
		}
		if !p.rest && strings.Contains(sent, "/") {
			return "", ErrMissing
		}
		if len(b) == 1 && sent != "" && (sent[0] == '/' || sent[0] == '\\') {
			return "", ErrMissing
		}
		var err error
		if b, err = appendSent(b, sent); err != nil {
			return "", err
		}
	}
	path := string(b)
	if hasDots(path) {
		return "", ErrMissing
	}
	return path, nil
}

// appendSent appends a value as it was sent. What would end the path is escaped; a control
// character is refused, escaped or not.
func appendSent(b []byte, sent string) ([]byte, error) {
	const upperHex = "0123456789ABCDEF"
	for i := range len(sent) {
		switch c := sent[i]; {
		case c == '%':
			if i+2 >= len(sent) || isEscapedControl(sent[i+1], sent[i+2]) {
				return nil, ErrMissing
			}
			b = append(b, c)
		case c < ' ', c == 0x7f:
			return nil, ErrMissing
		case c == ' ', c == '?', c == '#':
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		default:
			b = append(b, c)
		}
	}
	return b, nil
}

// isEscapedControl reports whether what follows a % is not two hexadecimal digits, or those
// of a control character.
func isEscapedControl(high, low byte) bool {
	return !isHex(high) || !isHex(low) || high == '0' || high == '1' || high == '7' && low|0x20 == 'f'
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

// hasDots reports whether a segment of an escaped path, decoded once and cut at ; / and \,
// has "." or ".." as a part.
func hasDots(path string) bool {
	if !strings.Contains(path, ".") && !strings.Contains(path, "%2") {
		return false
	}
	decoded, err := url.PathUnescape(path)
	if err != nil {
		return true
	}
	for part := range strings.FieldsFuncSeq(decoded, func(r rune) bool { return r == ';' || r == '/' || r == '\\' }) {
		if part == "." || part == ".." {
			return true
		}
	}
	return false
}

// The bounds of a subject as it is written.
const (
	subjectPrefix = "svc."
	maxTokens     = 16
)

// ParseSubject reads the subject of a NATS target: svc. and tokens, each of which is text or
// one placeholder. It has values of the pattern, claims and {user}.
func ParseSubject(text string, in Scope) (*Target, error) {
	if !strings.HasPrefix(text, subjectPrefix) || text == subjectPrefix {
		return nil, errors.New("subject does not begin with svc., as in nats://svc.orders")
	}
	t := &Target{text: text}
	tokens := splitSubject(text)
	if len(tokens) > maxTokens {
		return nil, fmt.Errorf("has more than %d tokens", maxTokens)
	}
	for _, token := range tokens {
		name, isName := strings.CutPrefix(token, "{")
		name, closed := strings.CutSuffix(name, "}")
		p := part{kind: known, text: name}
		switch {
		case token == "":
			return nil, errors.New("has an empty token")
		case !strings.ContainsAny(token, "{}"):
			if _, err := subject.Unescape(token); err != nil {
				return nil, fmt.Errorf("%q is no token; it has letters, digits, - and _, and =XX for other bytes", token)
			}
			p = part{text: token}
		case !isName || !closed || strings.ContainsAny(name, "{}"):
			return nil, fmt.Errorf("%q: a placeholder is a whole token", token)
		case strings.HasPrefix(name, "/"), name == "user":
			if err := p.resolve(in); err != nil {
				return nil, err
			}
		case !slices.Contains(in.Names, name) && isSpecial(name):
			return nil, fmt.Errorf("{%s} is not for a subject, which has values of the pattern, claims and {user}", name)
		default:
			if err := p.pathValue(in, knownNames[:1]); err != nil {
				return nil, err
			}
		}
		t.parts = append(t.parts, p)
	}
	if t.literalBytes() > subject.MaxBytes {
		return nil, fmt.Errorf("has more than %d bytes", subject.MaxBytes)
	}
	return t, nil
}

// splitSubject cuts a subject at its dots, but for those within a placeholder.
func splitSubject(text string) []string {
	var tokens []string
	start, inside := 0, false
	for i := range len(text) {
		switch text[i] {
		case '{':
			inside = true
		case '}':
			inside = false
		case '.':
			if !inside {
				tokens = append(tokens, text[start:i])
				start = i + 1
			}
		}
	}
	return append(tokens, text[start:])
}

func (t *Target) literalBytes() (n int) {
	for _, p := range t.parts {
		n++
		if p.kind == literal {
			n += len(p.text)
		}
	}
	return n
}

// Subject fills the subject: each value is one escaped token, each segment of a rest, too.
// A value that is empty, or longer than subject.MaxToken bytes, makes none.
func (t *Target) Subject(v Values) (string, error) {
	b := make([]byte, 0, len(t.text)+64)
	for i := range t.parts {
		p := &t.parts[i]
		if i > 0 {
			b = append(b, '.')
		}
		if p.kind == literal {
			b = append(b, p.text...)
			continue
		}
		if p.kind == pathValue {
			sent, ok := v.PathValue(p.text)
			if !ok || len(sent) > 3*subject.MaxBytes || !p.rest && strings.Contains(sent, "/") {
				return "", ErrMissing
			}
			for segment := range strings.SplitSeq(sent, "/") {
				value, err := url.PathUnescape(segment)
				if err != nil {
					return "", ErrMissing
				}
				if b, err = appendToken(b, value); err != nil {
					return "", err
				}
				b = append(b, '.')
			}
			b = b[:len(b)-1]
			continue
		}
		value, ok := p.value(v, "")
		if !ok {
			return "", ErrMissing
		}
		var err error
		if b, err = appendToken(b, value); err != nil {
			return "", err
		}
	}
	if len(b) > subject.MaxBytes {
		return "", ErrMissing
	}
	return string(b), nil
}

func appendToken(b []byte, value string) ([]byte, error) {
	token, err := subject.Escape(value)
	if err != nil {
		return nil, ErrMissing
	}
	return append(b, token...), nil
}
