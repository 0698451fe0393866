package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// copyBytes is the size of the buffers by which bodies are copied.
const copyBytes = 32 << 10

// buffers is a pool of them.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte { return *b.pool.Get().(*[]byte) }

func (b *buffers) Put(buf []byte) { b.pool.Put(&buf) }

// proxy is a reverse proxy as one writes it with net/http, with the transport settings of
// Weft's routes.
func proxy(target *url.URL) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded()
		},
		Transport:  &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64, IdleConnTimeout: 90 * time.Second},
		BufferPool: &buffers{sync.Pool{New: func() any { buf := make([]byte, copyBytes); return &buf }}},
	}
}

// kib is what the back end answers.
var kib = bytes.Repeat([]byte("x"), 1<<10)

// backEnd is what stands behind a proxy: it takes any body, answers with 1 KiB, and
// echoes on a WebSocket.
func backEnd() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(kib)))
		_, _ = w.Write(kib)
	})
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	mux.HandleFunc("/socket", func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		for {
			kind, m, err := c.ReadMessage()
			if err != nil || c.WriteMessage(kind, m) != nil {
				return
			}
		}
	})
	return mux
}
