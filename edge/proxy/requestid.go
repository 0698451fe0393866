package proxy

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"sync"
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
	var text [22]byte
	ahead := randomAhead.Get().(*randomBytes)
	base64.RawURLEncoding.Encode(text[:], ahead.next())
	randomAhead.Put(ahead)
	return string(text[:])
}

// idBytes is how many random bytes an id has.
const idBytes = 16

// A randomBytes is random bytes that were read ahead: one call for many ids.
type randomBytes struct {
	bytes [32 * idBytes]byte
	used  int
}

var randomAhead = sync.Pool{New: func() any { return &randomBytes{used: 32 * idBytes} }}

// next are those of the next id, until the next call.
func (r *randomBytes) next() []byte {
	if r.used == len(r.bytes) {
		_, _ = rand.Read(r.bytes[:]) // it never fails
		r.used = 0
	}
	r.used += idBytes
	return r.bytes[r.used-idBytes : r.used]
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
