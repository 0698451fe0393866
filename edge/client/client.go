// Package client holds what a page loads: the module that follows events from a browser. Its
// sources are TypeScript, in src; dist is what they are built into, and is part of the binary.
package client

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"weft/edge/problem"
)

//go:embed dist/client.js
var module []byte

// maxAge is for how many seconds a browser uses what it has without asking. A page that needs
// it for longer has a copy of its own, from npm.
const maxAge = 3600

// A Module serves the client as an ES module (RFC 9239). It may be used concurrently.
type Module struct {
	plain, zipped []byte
	tag           string
}

// New prepares the module.
func New() *Module {
	var zipped bytes.Buffer
	w, _ := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	_, _ = w.Write(module)
	_ = w.Close()
	sum := sha256.Sum256(module)
	return &Module{module, zipped.Bytes(), base64.RawURLEncoding.EncodeToString(sum[:12])}
}

// ServeHTTP implements http.Handler.
func (m *Module) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		p := problem.New(problem.BadRequest, "the method is not one of GET, HEAD")
		p.Status = http.StatusMethodNotAllowed
		problem.Write(w, p)
		return
	}
	body, tag := m.plain, `"`+m.tag+`"`
	h.Set("Vary", "Accept-Encoding")
	if acceptsGzip(r) {
		body, tag = m.zipped, `"`+m.tag+`-gzip"`
	}
	h.Set("Cache-Control", "public, max-age="+strconv.Itoa(maxAge))
	h.Set("ETag", tag)
	if strings.Contains(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if len(body) == len(m.zipped) {
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		if name, q, _ := strings.Cut(part, ";"); strings.EqualFold(strings.TrimSpace(name), "gzip") {
			return !strings.HasPrefix(strings.ReplaceAll(q, " ", ""), "q=0") || strings.Contains(q, "0.")
		}
	}
	return false
}
