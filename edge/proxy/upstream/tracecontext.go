package upstream

import (
	"net/http"
	"strings"

	"weft/edge/route"
)

const traceParent, traceState = "Traceparent", "Tracestate"

// keepValidTrace removes traceparent and tracestate unless they are what W3C Trace Context
// says; the second one means nothing without the first.
func keepValidTrace(h http.Header) {
	parent, state := h[traceParent], h[traceState]
	if parent == nil && state == nil {
		return
	}
	if len(parent) != 1 || !route.ValidTraceparent(parent[0]) {
		delete(h, traceParent)
		delete(h, traceState)
		return
	}
	if !validState(state) {
		delete(h, traceState)
	}
}

// maxMembers bounds the list of tracestate (W3C Trace Context, section 3.3.1.1).
const maxMembers = 32

// validState reports whether the lines of tracestate are a list of at most 32 members with
// different keys.
func validState(lines []string) bool {
	seen := make(map[string]bool, 4)
	for _, line := range lines {
		for member := range strings.SplitSeq(line, ",") {
			member = strings.Trim(member, " \t")
			if member == "" {
				continue
			}
			key, value, ok := strings.Cut(member, "=")
			if !ok || seen[key] || len(seen) == maxMembers || !validStateKey(key) || !validStateValue(value) {
				return false
			}
			seen[key] = true
		}
	}
	return true
}

// validStateKey permits the keys of both versions of the specification: the second one
// lets all begin with a digit, and has @ anywhere.
func validStateKey(key string) bool {
	if key == "" || len(key) > 256 || !lowerOrDigit(key[0]) {
		return false
	}
	for i := range len(key) {
		if !lowerOrDigit(key[i]) && strings.IndexByte("_-*/@", key[i]) < 0 {
			return false
		}
	}
	return true
}

func validStateValue(value string) bool {
	if value == "" || len(value) > 256 || strings.HasSuffix(value, " ") {
		return false
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' || c == ',' || c == '=' {
			return false
		}
	}
	return true
}

func lowerOrDigit(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }
