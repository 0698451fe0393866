package pattern

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ErrPath is wrapped by what ParsePath says of a path that is refused before matching.
var ErrPath = errors.New("the path is refused")

var (
	errStart     = fmt.Errorf("%w: it does not begin with one slash", ErrPath)
	errDots      = fmt.Errorf(`%w: it has a "." or ".." segment`, ErrPath)
	errControl   = fmt.Errorf("%w: it has a control character", ErrPath)
	errMalformed = fmt.Errorf("%w: it has a malformed %%", ErrPath)
	errSpace     = fmt.Errorf("%w: it has a space", ErrPath)
	errFragment  = fmt.Errorf("%w: it has a #", ErrPath)
)

// maxParts is how many segments of a path are looked at one by one: those of the longest
// pattern, and what tells that there is one more.
const maxParts = MaxSegments + 2

// A Path is the path of a request, as it was sent. It is immutable.
type Path struct {
	sent  string
	parts []part // the first maxParts segments
	few   [6]part
}

// A part is a segment of a path.
type part struct {
	start, end uint32 // in sent
	decoded    string
}

// ParsePath reads the path of a request, in the form that it was sent in. It refuses what
// a back end that decodes twice, cleans, or knows other separators could take for another
// path than the one that is matched:
//
//   - what does not begin with /, or begins with // or /\
//   - a segment that, decoded once and cut at ";", "/" or "\", has . or .. as a part
//   - control characters, decoded
//   - a % without two hexadecimal digits
//   - a # or a space, which RFC 9112, section 3.2 does not know in a request, while HTTP/2
//     lets them through
//
// The errors wrap ErrPath and are safe to show. Memory is in proportion to the first few
// segments, however many a path has.
func ParsePath(sent string) (*Path, error) {
	if len(sent) == 0 || sent[0] != '/' || len(sent) > 1 && (sent[1] == '/' || sent[1] == '\\') {
		return nil, errStart
	}
	p := &Path{sent: sent}
	p.parts = p.few[:0]
	var escaped, dots bool
	start := 1
	for i := 1; i <= len(sent); i++ {
		if i < len(sent) && sent[i] != '/' {
			switch c := sent[i]; {
			case c == '%':
				escaped = true
			case c == '.':
				dots = true
			case c < ' ' || c == 0x7F:
				return nil, errControl
			case c == ' ':
				return nil, errSpace
			case c == '#':
				return nil, errFragment
			}
			continue
		}
		decoded := sent[start:i]
		if escaped || dots {
			var err error
			if decoded, err = checkSegment(decoded, escaped); err != nil {
				return nil, err
			}
		}
		if len(p.parts) < maxParts {
			p.parts = append(p.parts, part{uint32(start), uint32(i), decoded})
		}
		start, escaped, dots = i+1, false, false
	}
	return p, nil
}

func checkSegment(sent string, escaped bool) (decoded string, err error) {
	decoded = sent
	if escaped {
		if decoded, err = url.PathUnescape(sent); err != nil {
			return "", errMalformed
		}
		for _, c := range []byte(decoded) {
			if c < ' ' || c == 0x7F {
				return "", errControl
			}
		}
	}
	if hasDots(decoded) {
		return "", errDots
	}
	return decoded, nil
}

// hasDots reports whether a decoded segment, cut where some server may cut it, has . or ..
// as a part.
func hasDots(segment string) bool {
	if !strings.Contains(segment, ".") {
		return false
	}
	for {
		i := strings.IndexAny(segment, `;/\`)
		part := segment
		if i >= 0 {
			part = segment[:i]
		}
		if part == "." || part == ".." {
			return true
		}
		if i < 0 {
			return false
		}
		segment = segment[i+1:]
	}
}

// from is what was sent from a segment on, slashes included.
func (p *Path) from(i int) string { return p.sent[p.parts[i].start:] }

// segment is a segment as it was sent.
func (p *Path) segment(i int) string { return p.sent[p.parts[i].start:p.parts[i].end] }

// String is the path as it was sent.
func (p *Path) String() string { return p.sent }

// canonicalHost is the host of a request without its port and the dot of the root, in
// lower case.
func canonicalHost(host string) string {
	if i := strings.LastIndexByte(host, ':'); i > 0 && (host[i-1] == ']' || strings.IndexByte(host, ':') == i) {
		host = host[:i]
	}
	host = strings.TrimSuffix(host, ".")
	for i := range len(host) {
		if c := host[i]; 'A' <= c && c <= 'Z' {
			return lowerASCII(host)
		}
	}
	return host
}

// lowerASCII leaves what is no letter of ASCII as it is: strings.ToLower makes a k of the
// Kelvin sign.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
