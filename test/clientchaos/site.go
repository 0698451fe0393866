package clientchaos

import (
	_ "embed"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"weft/test/stage"
)

//go:embed page.html
var document []byte

// tokenLife is that of the tokens that pages get: each is refreshed many times in a run.
func tokenLife() time.Duration { return length(12*time.Second, 30*time.Second) }

// A Site is where the pages come from, and their tokens.
type Site struct {
	URL string
	// Down says that nobody gets a token.
	Down atomic.Bool
	// Minted counts tokens.
	Minted atomic.Int64
}

func startSite(t testing.TB) *Site {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(stage.Home(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	s := &Site{URL: "http://" + l.Addr().String()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write(document)
	})
	mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
		if s.Down.Load() {
			http.Error(w, "no tokens today", http.StatusServiceUnavailable)
			return
		}
		s.Minted.Add(1)
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprint(w, token(t, r.FormValue("user"), tokenLife()))
	})
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: mux}}
	server.Start()
	t.Cleanup(server.Close)
	return s
}

// token is one of a user that ends after a while.
func token(t testing.TB, user string, life time.Duration) string {
	t.Helper()
	return stage.Token(t, user, stage.Claims{"exp": time.Now().Add(life).Unix()})
}
