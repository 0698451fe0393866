package proxy

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
)

// maxRequestID bounds the id that a trusted proxy hands on, in bytes.
const maxRequestID = 200

// requestID is what names a request in logs, here and at the target: that of a trusted
// proxy, if it is of visible ASCII, or else 128 random bits.
func requestID(r *http.Request, trusted bool) string {
	if trusted {
		if id := r.Header.Get("X-Request-Id"); id != "" && len(id) <= maxRequestID && visible(id) {
			return id
		}
	}
	var random [16]byte
	_, _ = rand.Read(random[:]) // it never fails
	var text [22]byte
	base64.RawURLEncoding.Encode(text[:], random[:])
	return string(text[:])
}

// visible reports whether s is of visible ASCII.
func visible(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}
