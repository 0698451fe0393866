// Package client holds what a page loads: the module that follows events from a browser, the
// one by which its tabs share a connection, and the one with what it seldom needs at once. Their
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

//go:embed dist/client-tabs.js
var tabs []byte

//go:embed dist/client-more.js
var more []byte

// maxAge is for how many seconds a browser uses what it has without asking. A page that needs
// it for longer has a copy of its own, from npm.
const maxAge = 3600

// A Module serves the client as an ES module (RFC 9239): to anybody, for it holds no secret, and
// while the node drains, too. Any query is taken, so that a page can put a version there. It may
// be used concurrently.
type Module struct {
	plain, zipped variant
}

// A variant is the module in one content coding (RFC 9110, section 8.8.3.3): its tag differs from
// that of the other.
type variant struct {
	body        []byte
	coding, tag string
}

// New prepares the client.
func New() *Module { return prepare(module) }

// NewTabs prepares what the client loads in a page whose tabs share a connection.
func NewTabs() *Module { return prepare(tabs) }

// NewMore prepares what the client loads once there is a connection, or when it is wanted
// before: the transports beside WebSocket, and publishing.
func NewMore() *Module { return prepare(more) }

func prepare(module []byte) *Module {
	var zipped bytes.Buffer
	w, _ := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	_, _ = w.Write(module)
	_ = w.Close()
	sum := sha256.Sum256(module)
	tag := base64.RawURLEncoding.EncodeToString(sum[:12])
	return &Module{
		plain:  variant{module, "", `"` + tag + `"`},
		zipped: variant{zipped.Bytes(), "gzip", `"` + tag + `-gzip"`},
	}
}

// ServeHTTP implements http.Handler. What a page of another origin needs to load the module is
// on a 304, too: a browser checks that (Fetch, section 4.6).
func (m *Module) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		p := problem.New(problem.BadRequest, "the method is not one of GET, HEAD")
		p.Status = http.StatusMethodNotAllowed
		problem.Write(w, p)
		return
	}
	v := m.plain
	if acceptsGzip(r.Header) {
		v = m.zipped
	}
	h.Add("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "public, max-age="+strconv.Itoa(maxAge))
	h.Set("ETag", v.tag)
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	if h.Get("Access-Control-Allow-Origin") == "" { // a permitted origin is named, with its cookies
		h.Set("Access-Control-Allow-Origin", "*")
	}
	if has(r.Header, v.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if v.coding != "" {
		h.Set("Content-Encoding", v.coding)
	}
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(v.body)))
	if r.Method == http.MethodGet {
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
