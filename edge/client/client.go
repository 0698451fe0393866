// Package client holds what a page loads: the module that follows events from a browser, the
// one by which its tabs share a connection, and the one with what it seldom needs at once. Their
// sources are TypeScript, in src; dist is what they are built into, and is part of the binary.
package client

import (
	_ "embed"
	"net/http"
	"strconv"

	"weft/edge/access"
	"weft/edge/representation"
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

// A Module serves the client as an ES module (RFC 9239) to a GET or a HEAD: to anybody, for it
// holds no secret, and while the node drains, too. Any query is taken, so that a page can put a
// version there. It may be used concurrently.
type Module struct {
	text *representation.Representation
}

// New prepares the client.
func New() *Module { return prepare(module) }

// NewTabs prepares what the client loads in a page whose tabs share a connection.
func NewTabs() *Module { return prepare(tabs) }

// NewMore prepares what the client loads once there is a connection, or when it is wanted
// before: the transports beside WebSocket, and publishing.
func NewMore() *Module { return prepare(more) }

func prepare(module []byte) *Module {
	return &Module{representation.New("text/javascript; charset=utf-8", module)}
}

// ServeHTTP implements http.Handler. What a page of another origin needs to load the module is
// on a 304, too: a browser checks that (Fetch, section 4.6).
func (m *Module) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "public, max-age="+strconv.Itoa(maxAge))
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	access.AnyOrigin(h)
	m.text.Answer(w, r)
}
