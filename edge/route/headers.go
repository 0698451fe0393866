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
		if len(name) >= len(prefix) && (many || len(name) == len(prefix)) && sameHeader(name[:len(prefix)], prefix) {
			return true
		}
	}
	return false
}

// sameHeader compares with a name in lower case.
func sameHeader(name, lower string) bool {
	for i := range len(lower) {
		c := name[i]
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case c == '_':
			c = '-'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
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
