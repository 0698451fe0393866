package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// How the network between a user and the node is: what proxies and cables do.
const (
	netWorks     = "works"
	netNoUpgrade = "no-upgrade" // drops Upgrade, so that no WebSocket opens
	netBuffers   = "buffers"    // that, too, and hands an answer on when it is complete
	netStalls    = "stalls"     // takes all, passes nothing on, and says nothing
	netGone      = "gone"       // connections are cut, and none is let in
)

var networkModes = []string{netWorks, netNoUpgrade, netBuffers, netStalls, netGone}

// maxBuffered is how much of an answer a buffering network keeps, in bytes.
const maxBuffered = 8 << 20

// A network is a proxy between one user's pages and the node, which can be made worse. It
// may be used concurrently.
type network struct {
	server   *http.Server
	listener net.Listener
	onward   *http.Transport
	mode     atomic.Pointer[string]

	mu    sync.Mutex
	conns map[*wire]struct{}
	flows chan struct{} // closed unless the network stalls
}

// openNetwork listens on a free port of loopback, and passes on to the node. Close ends it.
func openNetwork(node string, log *slog.Logger, failed func(error)) (*network, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for a network: %w", err)
	}
	onward := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute}
	n := &network{listener: ln, onward: onward, conns: map[*wire]struct{}{}, flows: make(chan struct{})}
	close(n.flows)
	works := netWorks
	n.mode.Store(&works)
	quiet := slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	n.server = &http.Server{
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          quiet,
		Handler: n.worsen(&httputil.ReverseProxy{
			Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: node}) },
			Transport:     buffering{onward, n},
			FlushInterval: -1,
			ErrorLog:      quiet,
		}),
	}
	go func() {
		if err := n.server.Serve(wires{ln, n}); !errors.Is(err, http.ErrServerClosed) {
			failed(fmt.Errorf("serve a network: %w", err))
		}
	}()
	return n, nil
}

// origin is where the user's pages find the node.
func (n *network) origin() string { return "http://" + n.listener.Addr().String() }

// is says how the network is.
func (n *network) is() string { return *n.mode.Load() }

// become makes the network one of networkModes. What is open is cut where it would hide
// the difference; what stalled goes on when the network works again.
func (n *network) become(mode string) error {
	if !slices.Contains(networkModes, mode) {
		return errors.New("unknown kind of network")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	stalled := n.is() == netStalls
	n.mode.Store(&mode)
	switch {
	case mode == netStalls && !stalled:
		n.flows = make(chan struct{})
	case mode != netStalls && stalled:
		close(n.flows)
	}
	if mode != netWorks && mode != netStalls {
		for w := range n.conns {
			go w.Close() // takes the lock
		}
	}
	return nil
}

// Close ends the network and all that goes through it. It may be called twice.
func (n *network) Close() error {
	err := n.server.Close()
	n.mu.Lock()
	open := make([]*wire, 0, len(n.conns))
	for w := range n.conns {
		open = append(open, w) // those that were hijacked are not the server's any more
	}
	n.mu.Unlock()
	for _, w := range open {
		_ = w.Close() // nothing is waited for
	}
	n.onward.CloseIdleConnections()
	return err
}

// worsen takes out of a request what the network does not pass on.
func (n *network) worsen(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if mode := n.is(); mode == netNoUpgrade || mode == netBuffers {
			r.Header.Del("Upgrade")
			r.Header.Del("Connection")
		}
		next.ServeHTTP(w, r)
	})
}

// buffering keeps an answer until it is complete, where the network is such.
type buffering struct {
	http.RoundTripper
	n *network
}

func (b buffering) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err != nil || b.n.is() != netBuffers {
		return resp, err
	}
	whole, err := io.ReadAll(io.LimitReader(resp.Body, maxBuffered))
	_ = resp.Body.Close() // all of it was read, or nobody wants the rest
	if err != nil {
		return nil, fmt.Errorf("read an answer: %w", err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(whole))
	return resp, nil
}

// await blocks while the network stalls; it returns false when done ends before.
func (n *network) await(done <-chan struct{}) bool {
	n.mu.Lock()
	flows := n.flows
	n.mu.Unlock()
	select {
	case <-flows:
		return true
	case <-done:
		return false
	}
}

// wires is a listener whose connections are as good as the network.
type wires struct {
	net.Listener
	n *network
}

func (l wires) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		ctx, cut := context.WithCancel(context.Background())
		w := &wire{c, l.n, ctx, cut}
		l.n.mu.Lock() // else a network that goes now would not know of it
		gone := l.n.is() == netGone
		if !gone {
			l.n.conns[w] = struct{}{}
		}
		l.n.mu.Unlock()
		if !gone {
			return w, nil
		}
		_ = w.Close() // that it ends is what it is told
	}
}

// A wire is a connection from a page.
type wire struct {
	net.Conn
	n   *network
	ctx context.Context // until it is closed
	cut context.CancelFunc
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if n > 0 && !w.n.await(w.ctx.Done()) {
		return 0, net.ErrClosed
	}
	return n, err
}

func (w *wire) Write(b []byte) (int, error) {
	if !w.n.await(w.ctx.Done()) {
		return 0, net.ErrClosed
	}
	return w.Conn.Write(b)
}

func (w *wire) Close() error {
	w.cut()
	w.n.mu.Lock()
	delete(w.n.conns, w)
	w.n.mu.Unlock()
	return w.Conn.Close()
}
