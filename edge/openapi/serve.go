package openapi

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// A Served is a document that is made when it is first asked for. It may be used concurrently.
type Served struct{ made func() (*made, error) }

type made struct {
	plain, zipped []byte
	tag           string
}

// Serve serves what make makes.
func Serve(make func() ([]byte, error)) *Served {
	return &Served{sync.OnceValues(func() (*made, error) {
		text, err := make()
		if err != nil {
			return nil, err
		}
		var zipped bytes.Buffer
		w, _ := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
		_, _ = w.Write(text)
		if err := w.Close(); err != nil {
			return nil, err
		}
		sum := sha256.Sum256(text)
		return &made{text, zipped.Bytes(), base64.RawURLEncoding.EncodeToString(sum[:12])}, nil
	})}
}

// Answer answers a GET or a HEAD. It fails before it has answered, when there is no document.
func (s *Served) Answer(w http.ResponseWriter, r *http.Request) error {
	m, err := s.made()
	if err != nil {
		return err
	}
	h := w.Header()
	body, tag := m.plain, `"`+m.tag+`"`
	if acceptsGzip(r) {
		body, tag = m.zipped, `"`+m.tag+`-gzip"`
		h.Set("Content-Encoding", "gzip")
	}
	h.Add("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "no-cache") // another version of the node may answer the next time
	h.Set("ETag", tag)
	if matches(r, tag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
	return nil
}

// matches reports whether the client has the document (If-None-Match, RFC 9110, section 13.1.2).
func matches(r *http.Request, tag string) bool {
	for _, line := range r.Header.Values("If-None-Match") {
		for one := range strings.SplitSeq(line, ",") {
			if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == tag {
				return true
			}
		}
	}
	return false
}

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, options, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
			continue
		}
		q, weighed := strings.CutPrefix(strings.ReplaceAll(options, " ", ""), "q=")
		weight, err := strconv.ParseFloat(q, 64)
		return !weighed || err == nil && weight > 0
	}
	return false
}
