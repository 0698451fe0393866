package pattern

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// own is the first segment of all paths that are Weft's own.
const own = "_weft"

// Parse reads a pattern. Its error says what is wrong, and is safe to show.
func Parse(text string) (*Pattern, error) {
	if text == "" {
		return nil, errors.New("is missing")
	}
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("is longer than %d bytes", MaxBytes)
	}
	p := &Pattern{text: text}
	at := text
	if i := strings.IndexAny(text, " \t"); i >= 0 && !strings.Contains(text[:i], "/") {
		p.method, at = text[:i], strings.TrimLeft(text[i:], " \t")
		if err := checkMethod(p.method); err != nil {
			return nil, err
		}
	}
	host, path, ok := strings.Cut(at, "/")
	if !ok {
		return nil, errors.New("has no path; it begins with /")
	}
	p.host = host
	if err := checkHost(host); err != nil {
		return nil, err
	}
	if err := p.parsePath(path); err != nil {
		return nil, err
	}
	p.key = p.makeKey()
	return p, nil
}

func checkMethod(m string) error {
	if m == "" || strings.ContainsFunc(m, notToken) {
		return fmt.Errorf("method %q is no HTTP method", m)
	}
	if m != strings.ToUpper(m) {
		return fmt.Errorf("method %q is not upper case", m)
	}
	if m == http.MethodConnect || m == http.MethodTrace {
		return errors.New("CONNECT and TRACE are not forwarded")
	}
	return nil
}

// notToken reports whether r cannot be in a method (RFC 9110, section 5.6.2).
func notToken(r rune) bool {
	return r <= ' ' || r >= 0x7F || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}

// checkHost takes what a request's host may be once canonicalHost was asked: a name, or an
// address as it is written in a URL.
func checkHost(h string) error {
	bad := errors.New("host is not a lower-case name without a port")
	if h == "" {
		return nil
	}
	if inner, ok := strings.CutPrefix(h, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		a, err := netip.ParseAddr(inner)
		if !ok || err != nil || !a.Is6() || a.Zone() != "" || a.String() != inner {
			return bad
		}
		return nil
	}
	if len(h) > 253 {
		return bad
	}
	for label := range strings.SplitSeq(h, ".") {
		if label == "" || len(label) > 63 {
			return bad
		}
		for _, c := range label {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return bad
			}
		}
	}
	return nil
}

// parsePath reads what follows the first slash.
func (p *Pattern) parsePath(path string) error {
	parts := strings.Split(path, "/")
	last := len(parts) - 1
	for i, part := range parts {
		if part == "" && i == last {
			p.segments = append(p.segments, segment{kind: rest})
			break
		}
		s, name, err := parseSegment(part)
		if err != nil {
			return err
		}
		if i < last && (s.kind == rest || s.kind == end) {
			return fmt.Errorf("%s is not the last segment", part)
		}
		if i == 0 && (s.text == own || strings.HasPrefix(s.text, own+"/")) {
			return errors.New("/_weft/ is Weft's own")
		}
		if i == MaxSegments && s.kind != end {
			return fmt.Errorf("has more than %d segments", MaxSegments)
		}
		if name != "" {
			if slices.Contains(p.names, name) {
				return fmt.Errorf("names {%s} twice", name)
			}
			p.names = append(p.names, name)
		}
		p.segments = append(p.segments, s)
	}
	return nil
}

func parseSegment(part string) (s segment, name string, err error) {
	switch {
	case part == "":
		return s, "", errors.New("has an empty segment")
	case part == "{$}":
		return segment{kind: end}, "", nil
	case !strings.ContainsAny(part, "{}"):
		s.text, err = parseLiteral(part)
		return s, "", err
	}
	inner, opens := strings.CutPrefix(part, "{")
	inner, closes := strings.CutSuffix(inner, "}")
	if !opens || !closes || strings.ContainsAny(inner, "{}") {
		return s, "", fmt.Errorf("%q: a placeholder is a whole segment", part)
	}
	s.kind = single
	if name, closes = strings.CutSuffix(inner, "..."); closes {
		s.kind = rest
	}
	if !isName(name) {
		return s, "", fmt.Errorf("%q: a placeholder has a name of letters, digits and _ that begins with no digit", part)
	}
	return s, name, nil
}

// isName reports whether s may be the name of a placeholder: a Go identifier, as in
// net/http.ServeMux.
func isName(s string) bool {
	for i, c := range s {
		if !unicode.IsLetter(c) && c != '_' && (i == 0 || !unicode.IsDigit(c)) {
			return false
		}
	}
	return s != ""
}

func parseLiteral(part string) (string, error) {
	if strings.ContainsAny(part, "?#") {
		return "", errors.New("has a ? or #; it is matched against paths only, where they are %3F and %23")
	}
	text, err := url.PathUnescape(part)
	if err != nil {
		return "", fmt.Errorf("%q has a malformed %%; a percent sign is %%25", part)
	}
	if hasDots(text) {
		return "", errors.New(`has a "." or ".." segment`)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7F }) {
		return "", fmt.Errorf("%q has a control character", part)
	}
	return text, nil
}
