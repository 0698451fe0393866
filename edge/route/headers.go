package route

import (
	"strings"

	"weft/edge/route/template"
)

// refusedHeaders are those that Weft or net/http decide on: they belong to a connection, to
// a request as a whole, or to Weft. With * all that begin so.
var refusedHeaders = []string{"connection", "content-length", "expect", "host", "keep-alive", "proxy-*", "te", "trailer",
	"transfer-encoding", "upgrade", "sec-websocket-*", "weft-*"}

// RefusedHeader reports whether a header, in any case, may be set or removed by nobody
// but Weft itself. As for many servers, _ counts as -.
func RefusedHeader(name string) bool { return isRefused(name, refusedHeaders) }

func isRefused(name string, list []string) bool {
	for _, r := range list {
		prefix, many := strings.CutSuffix(r, "*")
		if len(name) >= len(prefix) && (many || len(name) == len(prefix)) && SameHeader(name[:len(prefix)], prefix) {
			return true
		}
	}
	return false
}

// ownPrefix begins the headers that only Weft sets.
const ownPrefix = "Weft-"

// OwnHeader reports whether a header is one that only Weft sets, in whatever spelling.
func OwnHeader(name string) bool {
	return len(name) >= len(ownPrefix) && SameHeader(name[:len(ownPrefix)], ownPrefix)
}

// SameHeader reports whether two names are of one header for somebody: whatever their case,
// and, as for many servers, with _ for -.
func SameHeader(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if folded(a[i]) != folded(b[i]) {
			return false
		}
	}
	return true
}

// folded is a byte of a name without case, - for _.
func folded(c byte) byte {
	switch {
	case c == '_':
		return '-'
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	}
	return c
}

// HeaderName reports whether a text is a token, which the name of a header is (RFC 9110,
// section 5.6.2).
func HeaderName(name string) bool { return template.IsToken(name) }

// HeaderValue reports whether a text may stand in a header: it has no control character.
func HeaderValue(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] == 0x7f {
			return false
		}
	}
	return true
}
