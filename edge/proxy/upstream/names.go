package upstream

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"weft/edge/route"
)

// hopByHop are headers that end with a connection (RFC 9110, section 7.6.1), and such that
// were taken for it.
var hopByHop = []string{"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate",
	"Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// HopByHop reports whether a header, whose name is canonical, ends with a connection.
func HopByHop(name string) bool { return slices.Contains(hopByHop, name) }

// rewritten are further headers of a request that Weft sets anew.
var rewritten = []string{"x-request-id", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"}

// isRewritten reports whether a header is one of those, in whatever spelling.
func isRewritten(name string) bool {
	return slices.ContainsFunc(rewritten, func(r string) bool { return route.SameHeader(name, r) })
}

// clean removes from the headers of a server what is not for the client, and what the
// route removes.
func clean(h http.Header, remove []string) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			delete(h, http.CanonicalHeaderKey(textproto.TrimString(name)))
		}
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
	for name := range h {
		if route.OwnHeader(name) {
			delete(h, name)
		}
	}
	for _, name := range remove {
		delete(h, name)
	}
}
