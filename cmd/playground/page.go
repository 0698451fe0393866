package main

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"
)

//go:embed page
var assets embed.FS

// A page serves the web page and the few calls behind its buttons.
type page struct {
	addrs  addresses
	config string // the node's configuration, secret masked
	tokens *mint
	back   backend
	log    *slog.Logger
	server *http.Server
	failed chan error // gets the error of a server that ended by itself
}

// A backend is what the buttons set in motion.
type backend interface {
	publish(ctx context.Context, e event) error
	revoke(ctx context.Context, session string) error
}

func newPage(a addresses, config string, tokens *mint, back backend, log *slog.Logger) *page {
	p := &page{addrs: a, config: config, tokens: tokens, back: back, log: log, failed: make(chan error, 1)}
	p.server = &http.Server{
		Handler:           p.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return p
}

func (p *page) serve(ln net.Listener) {
	go func() {
		if err := p.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			p.failed <- err
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
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServerFS(files))
	mux.HandleFunc("GET /api/setup", p.setup)
	mux.HandleFunc("POST /api/token", p.issueToken)
	mux.HandleFunc("POST /api/send", p.send)
	mux.HandleFunc("POST /api/revoke", p.revokeToken)
	return p.guard(http.NewCrossOriginProtection().Handler(mux))
}

// guard answers only to the page's own names, since a foreign name that
// resolves to loopback would make a foreign site the same origin; and lets
// the page load and call nothing but us and the node.
func (p *page) guard(next http.Handler) http.Handler {
	_, port, _ := net.SplitHostPort(p.addrs.Page)
	hosts := []string{p.addrs.Page, "localhost:" + port}
	csp := "default-src 'self'; connect-src 'self' http://" + p.addrs.Public + " ws://" + p.addrs.Public +
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
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
