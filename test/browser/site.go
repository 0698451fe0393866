package browser

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
)

// A Site is the origin of a page as an application has it: files, the tokens of who has signed
// in, and Weft behind it, as by a load balancer.
type Site struct {
	*httptest.Server
	// Tokens and Connections count what was asked for: tokens, and GET of the events.
	Tokens, Connections atomic.Int32
}

// StartSite serves below /_weft/ the node at the URL weft, a token of the user at /token?user=…, and
// all else by files, with a header of names and values, until the test ends.
func StartSite(t testing.TB, files http.Handler, weft string, token func(user string) string, header ...string) *Site {
	t.Helper()
	target, err := url.Parse(weft)
	if err != nil {
		t.Fatal(err)
	}
	s := &Site{}
	proxy := &httputil.ReverseProxy{FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0), Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}}
	mux := http.NewServeMux()
	mux.HandleFunc("/_weft/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_weft/v1/events" && r.Method == http.MethodGet {
			s.Connections.Add(1)
		}
		proxy.ServeHTTP(w, r)
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		s.Tokens.Add(1)
		fmt.Fprint(w, token(r.FormValue("user")))
	})
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

// Close ends the site with all connections that go through it.
func (s *Site) Close() {
	s.CloseClientConnections()
	s.Server.Close()
}
