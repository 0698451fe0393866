package route

import "strings"

// refusedHeaders are those that Weft or net/http decide on; so are all that begin with
// one of refusedPrefixes.
var (
	refusedHeaders  = []string{"connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
	refusedPrefixes = []string{"proxy-", "sec-websocket-", "weft-"}
)

// RefusedHeader reports whether a header, in any case, may be set or removed by nobody
// but Weft itself.
func RefusedHeader(name string) bool {
	for _, refused := range refusedHeaders {
		if strings.EqualFold(name, refused) {
			return true
		}
	}
	for _, prefix := range refusedPrefixes {
		if len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			return true
		}
	}
	return false
}

// HeaderName reports whether a text is a token, which the name of a header is (RFC 9110,
// section 5.6.2).
func HeaderName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return name != ""
}

// HeaderValue reports whether a text may stand in a header: it has no control character.
func HeaderValue(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] == 0x7f {
			return false
		}
	}
	return true
}
