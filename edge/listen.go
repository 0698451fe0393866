package edge

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/netip"

	"weft/config"
	"weft/edge/access"
	"weft/edge/httpd"
	"weft/edge/session"
)

// listen opens an address; Run serves it.
func (e *Edge) listen(cfg httpd.ServerConfig) error {
	cfg.WriteTimeout, cfg.PingEvery = e.cfg.Public.WriteTimeout, e.cfg.Public.Keepalive
	s, err := httpd.Listen(e.serving, cfg)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.servers = append(e.servers, s)
	return nil
}

// guests is how connections of the public listener are let in.
func (e *Edge) guests() *httpd.Config {
	return &httpd.Config{
		Poller: e.poller, Path: pathEvents, Workers: access.MaxConnecting, Arrive: e.arrive, Draining: e.ready.draining.Load,
		Limits: httpd.Limits{Silent: access.SilentTime, Read: access.ReadTime, Drain: session.GraceKeep},
		Panicked: func(p any, stack []byte) {
			e.report.panicked(onPublic, "panic", p, "stack", string(stack))
		},
	}
}

// arrive is asked whether there is room for an accepted connection.
func (e *Edge) arrive(a netip.Addr) (httpd.Guest, bool) { return e.guard.Arrive(a) }

// guestOf is whose request it is; nil when the listener counts nobody.
func guestOf(w http.ResponseWriter, r *http.Request) *access.Guest {
	g, _ := httpd.GuestOf(w, r).(*access.Guest)
	return g
}

// loadTLS loads the certificate; nil when there is none.
func loadTLS(files *config.KeyPair) (*tls.Config, error) {
	if files == nil {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return nil, fmt.Errorf("load public.tls: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
}
