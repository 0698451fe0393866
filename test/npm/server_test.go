package npm

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"weft/test/browser"
	"weft/test/stage"
)

// shared is the browser of all tests; each tab is a visitor of its own.
var shared struct {
	sync.Mutex
	*browser.Browser
}

func chromium(t testing.TB) *browser.Browser {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.Browser == nil {
		b, err := browser.Start()
		if err != nil {
			t.Fatalf("%v; test/scripts/prepare.sh installs it", err)
		}
		shared.Browser = b
	}
	return shared.Browser
}

// A site is the origin of a page: its files, the tokens of who has signed in, and Weft behind it,
// as by a load balancer.
type site struct {
	*httptest.Server
	asked     atomic.Int32 // for tokens
	connected atomic.Int32 // requests for events
}

// startSite serves a folder and a node; header, of names and values, goes with each file.
func startSite(t testing.TB, dir string, node *stage.Node, header ...string) *site {
	t.Helper()
	target, err := url.Parse(node.URL())
	must(t, err)
	s := &site{}
	weft := &httputil.ReverseProxy{FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0), Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}}
	mux := http.NewServeMux()
	mux.HandleFunc("/_weft/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_weft/v1/events" && r.Method == http.MethodGet {
			s.connected.Add(1)
		}
		weft.ServeHTTP(w, r)
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		fmt.Fprint(w, stage.Token(t, r.FormValue("user"), nil))
	})
	files := http.FileServer(http.Dir(dir))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		files.ServeHTTP(w, r)
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// write writes a file of a site.
func write(t testing.TB, dir, name, text string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
}
