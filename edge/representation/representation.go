// Package representation serves what is the same for everybody who asks, and all of it at hand:
// with a tag, so that who has it is told so, and by gzip to those who take it.
package representation

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
)

// A Representation is a text in the content codings in which it is served. It may be used
// concurrently.
type Representation struct {
	contentType   string
	plain, zipped variant
}

// A variant is the text in one content coding (RFC 9110, section 8.8.3.3): its tag differs from
// that of the other.
type variant struct {
	body        []byte
	coding, tag string
}

// New prepares a text, which must not change from then on.
func New(contentType string, text []byte) *Representation {
	var zipped bytes.Buffer
	w, _ := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	_, _ = w.Write(text) // nothing of a buffer fails
	_ = w.Close()
	sum := sha256.Sum256(text)
	tag := base64.RawURLEncoding.EncodeToString(sum[:12])
	return &Representation{
		contentType: contentType,
		plain:       variant{text, "", `"` + tag + `"`},
		zipped:      variant{zipped.Bytes(), "gzip", `"` + tag + `-gzip"`},
	}
}

// Size is how many bytes are sent to who takes gzip.
func (rep *Representation) Size() int { return len(rep.zipped.body) }

// Answer answers a GET or a HEAD. For how long the answer may be kept is for the caller to say,
// before.
func (rep *Representation) Answer(w http.ResponseWriter, r *http.Request) {
	h, v := w.Header(), rep.plain
	if acceptsGzip(r.Header) {
		v = rep.zipped
	}
	h.Add("Vary", "Accept-Encoding")
	h.Set("ETag", v.tag)
	h.Set("X-Content-Type-Options", "nosniff")
	if has(r.Header, v.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if v.coding != "" {
		h.Set("Content-Encoding", v.coding)
	}
	h.Set("Content-Type", rep.contentType)
	h.Set("Content-Length", strconv.Itoa(len(v.body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(v.body)
	}
}

// has reports whether who asks has what the tag stands for. The comparison is the weak one
// (RFC 9110, section 13.1.2): a proxy that compresses makes tags weak.
func has(h http.Header, tag string) bool {
	for line := range strings.SplitSeq(strings.Join(h.Values("If-None-Match"), ","), ",") {
		if line = strings.TrimSpace(line); line == "*" || strings.TrimPrefix(line, "W/") == tag {
			return true
		}
	}
	return false
}

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3): a weight of 0 refuses, and *
// stands for what is not named.
func acceptsGzip(h http.Header) bool {
	accepts := false
	for part := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		name, weight, _ := strings.Cut(part, ";")
		_, q, weighed := strings.Cut(weight, "=")
		f, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
		wanted := !weighed || err == nil && f > 0
		switch name = strings.TrimSpace(name); {
		case strings.EqualFold(name, "gzip"):
			return wanted
		case name == "*":
			accepts = wanted
		}
	}
	return accepts
}
