// Package client holds what a page loads: the module that follows events from a browser, the
// one by which its tabs share a connection, and the one with what it seldom needs at once. Their
// sources are TypeScript, in src; dist is what they are built into, and is part of the binary.
package client

import (
	"embed"
	"net/http"
	"strconv"

	"weft/edge/access"
	"weft/edge/representation"
)

//go:embed dist/client*.js
var dist embed.FS

// maxAge is for how many seconds a browser uses what it has without asking. A page that needs
// it for longer has a copy of its own, from npm.
const maxAge = 3600

// A Module serves an ES module (RFC 9239) to a GET or a HEAD: to anybody, for it holds no
// secret, and while the node drains, too. Any query is taken, so that a page can put a
// version there. It may be used concurrently.
type Module struct {
	// Name is that of its file: they load each other from beside themselves.
	Name string
	// ID and Does are those of its operations in OpenAPI, without the method.
	ID, Does string

	text *representation.Representation
}

// Modules prepares the client and what it loads.
func Modules() []*Module {
	all := []*Module{
		{Name: "client.js", ID: "Client", Does: "The client for browsers, an ES module."},
		{Name: "client-tabs.js", ID: "ClientTabs", Does: "What the client loads where tabs share a connection, an ES module."},
		{Name: "client-more.js", ID: "ClientMore", Does: "What the client loads once it is connected, an ES module."},
	}
	for _, m := range all {
		text, err := dist.ReadFile("dist/" + m.Name)
		if err != nil {
			panic(err) // it is not built
		}
		m.text = representation.New("text/javascript; charset=utf-8", text)
	}
	return all
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
