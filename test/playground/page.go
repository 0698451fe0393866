package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"time"
)

//go:embed page
var assets embed.FS

// A page serves the web page and the few calls behind its buttons.
type page struct {
	addrs   addresses
	config  string // a node's configuration, secrets masked
	users   []string
	cluster *cluster // nil with one node
	tokens  *mint
	back    backend
	log     *slog.Logger
	server  *http.Server
	// networks are between the users and the node, by user; none in a cluster.
	networks map[string]*network
}

// A backend is what the buttons set in motion.
type backend interface {
	publish(ctx context.Context, e event) error
	book(ctx context.Context, b booking) error
	revoke(ctx context.Context, session string) error
	sendAway(ctx context.Context, user string) error
	route(ctx context.Context) (routeItem, error)
	putRoute(ctx context.Context, document string, raw bool) error
	rollBackRoute(ctx context.Context) error
}

func newPage(a addresses, config string, tokens *mint, back backend, log *slog.Logger) *page {
	p := &page{addrs: a, config: config, users: users, tokens: tokens, back: back, log: log}
	p.server = &http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return p
}

// serve answers on ln until Close; failed is told why it ended by itself.
func (p *page) serve(ln net.Listener, failed func(error)) {
	p.server.Handler = p.handler()
	go func() {
		if err := p.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			failed(fmt.Errorf("serve page: %w", err))
		}
	}()
}

// Close ends the server and its connections. It may be called twice.
func (p *page) Close() error { return p.server.Close() }

func (p *page) handler() http.Handler {
	files, err := fs.Sub(assets, "page")
	if err != nil {
		panic(err) // the folder is named in the embed directive above
	}
	mux, in := http.NewServeMux(), signIns{p}
	mux.Handle("GET /", http.FileServerFS(files))
	mux.HandleFunc("GET /api/setup", p.setup)
	for _, module := range []string{"client.js", "client-tabs.js", "client-more.js"} {
		mux.Handle("GET /_weft/v1/"+module, p.fromTheNode())
	}
	mux.HandleFunc("GET /api/token", in.issueToken)
	mux.HandleFunc("POST /api/book", p.bookRoom)
	if p.cluster != nil {
		mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, files, "cluster.html")
		})
		mux.HandleFunc("GET /api/cluster", p.showCluster)
		mux.HandleFunc("POST /api/node", p.changeNode)
		mux.HandleFunc("POST /api/flow", p.changeFlow)
		mux.HandleFunc("POST /api/leave", p.sendAway)
	} else {
		mux.HandleFunc("POST /api/send", p.send)
		mux.HandleFunc("POST /api/revoke", in.revokeToken)
		mux.HandleFunc("POST /api/signin", in.signIn)
		mux.HandleFunc("GET /api/hand", in.hand)
		mux.HandleFunc("POST /api/network", p.changeNetwork)
		mux.HandleFunc("GET /api/route", p.showRoute)
		mux.HandleFunc("POST /api/route", p.putRoute)
		mux.HandleFunc("POST /api/rollback", p.rollBack)
	}
	return p.guard(http.NewCrossOriginProtection().Handler(mux))
}

// fromTheNode hands on what the node serves, as the proxy in front of a page at home does. Whoever
// changes the client and runs this again wants the new one, so that a browser keeps none.
func (p *page) fromTheNode() http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: p.addrs.Public}) },
		ModifyResponse: func(r *http.Response) error {
			for _, name := range []string{"Cache-Control", "X-Content-Type-Options"} {
				r.Header.Del(name) // guard has said it
			}
			return nil
		},
		ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
}

// origins are the node's, by each of its names. A browser counts connections by name, so
// that a page has twice six of them.
func (p *page) origins() []string {
	_, port, _ := net.SplitHostPort(p.addrs.Public)
	return []string{"http://" + p.addrs.Public, "http://localhost:" + port}
}

// guard answers only to the page's own names, since a foreign name that
// resolves to loopback would make a foreign site the same origin; and lets
// the page load and call nothing but us and the node.
func (p *page) guard(next http.Handler) http.Handler {
	_, port, _ := net.SplitHostPort(p.addrs.Page)
	hosts := []string{p.addrs.Page, "localhost:" + port}
	reached := append([]string{"ws://" + p.addrs.Public}, p.origins()...)
	for _, user := range p.users {
		if n := p.networks[user]; n != nil {
			reached = append(reached, n.origin(), strings.Replace(n.origin(), "http", "ws", 1))
		}
	}
	csp := "default-src 'self'; connect-src 'self' " + strings.Join(reached, " ") +
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(hosts, r.Host) {
			http.Error(w, "unknown host", http.StatusMisdirectedRequest)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", csp)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
