package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"sync"
	"time"

	"weft/config"
)

// credentials are what a server is shown, and how it is known. Files are read again when
// they change. Its methods may be called concurrently.
type credentials struct {
	log     *slog.Logger
	match   string
	headers http.Header
	tls     TLSConfig

	mu   sync.Mutex
	have *tls.Config            // nil: not read yet
	read map[string]fileVersion // of which files
}

type fileVersion struct {
	modified time.Time
	size     int64
}

// newCredentials are those of an entry; it does no I/O.
func newCredentials(c *Config, log *slog.Logger) *credentials {
	made := &credentials{log: log, match: c.Match, headers: http.Header{}}
	for name, value := range c.Headers {
		made.headers.Set(name, value)
	}
	if c.TLS != nil {
		made.tls = *c.TLS
	}
	return made
}

// config is for a connection to a server of that name. Its error says which file cannot be
// used.
func (c *credentials) config(name string) (*tls.Config, error) {
	if c == nil {
		return &tls.Config{MinVersion: tls.VersionTLS12, ServerName: name}, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.versions(); c.have == nil || !maps.Equal(now, c.read) {
		made, err := c.load()
		if err != nil && (c.read == nil || !maps.Equal(now, c.read)) { // said once
			c.log.Error("the files for an upstream cannot be used; those before are, if there were any", "match", c.match, "err", err)
		}
		if c.read = now; err == nil {
			c.have = made
		} else if c.have == nil {
			return nil, err
		}
	}
	cfg := c.have.Clone()
	if cfg.ServerName == "" {
		cfg.ServerName = name
	}
	return cfg, nil
}

// versions are those of the files as they are.
func (c *credentials) versions() map[string]fileVersion {
	all := map[string]fileVersion{}
	for _, path := range []string{c.tls.CA, c.tls.Cert, c.tls.Key} {
		if path != "" {
			if info, err := os.Stat(path); err == nil {
				all[path] = fileVersion{info.ModTime(), info.Size()}
			}
		}
	}
	return all
}

func (c *credentials) load() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.tls.ServerName}
	if c.tls.CA != "" {
		var pool *x509.CertPool
		pool, err := config.ReadPool("tls.ca", c.tls.CA)
		if err != nil {
			return nil, err
		}
		cfg.RootCAs = pool
	}
	if c.tls.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.tls.Cert, c.tls.Key)
		if err != nil {
			return nil, fmt.Errorf("read tls.cert and tls.key: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}
