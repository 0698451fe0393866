package upstream

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"
)

// hopByHop are headers that end with a connection (RFC 9110, section 7.6.1), and such that
// were taken for it.
var hopByHop = []string{"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate",
	"Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// HopByHop reports whether a header, whose name is canonical, ends with a connection.
func HopByHop(name string) bool { return slices.Contains(hopByHop, name) }

// ourPrefix begins the headers that only Weft sets.
const ourPrefix = "weft-"

// isOurs reports whether a header is one that only Weft sets, in whatever spelling: many
// servers take _ for -.
func isOurs(name string) bool {
	if len(name) < len(ourPrefix) {
		return false
	}
	for i := range len(ourPrefix) {
		if folded(name[i]) != ourPrefix[i] {
			return false
		}
	}
	return true
}

// rewritten are further headers of a request that Weft sets anew.
var rewritten = []string{"x-request-id", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"}

// isRewritten reports whether a header is one of those, in whatever spelling.
func isRewritten(name string) bool {
	for _, r := range rewritten {
		if len(name) == len(r) && sameFolded(name, r) {
			return true
		}
	}
	return false
}

func sameFolded(name, to string) bool {
	for i := range len(to) {
		if folded(name[i]) != to[i] {
			return false
		}
	}
	return true
}

// equalFolded is sameFolded for two names of one length, whatever their case.
func equalFolded(a, b string) bool {
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
		if isOurs(name) {
			delete(h, name)
		}
	}
	for _, name := range remove {
		delete(h, name)
	}
}
