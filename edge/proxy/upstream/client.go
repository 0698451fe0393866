package upstream

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
)

// A Client asks one server what the node itself wants to know, with the entry of the
// section upstreams that is for it. It is an http.RoundTripper, and follows no redirect.
type Client struct {
	http.Transport
	headers http.Header
}

// NewClient makes the client of the server that a URL with the scheme http or https names,
// which keeps at most a number of connections. It does no I/O. The entries must have passed
// Check.
func NewClient(server *url.URL, connections int, entries []Config, log *slog.Logger) *Client {
	known := credentialsOf(server, entries, log)
	c := &Client{}
	c.Transport = http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return plain(ctx, network, address, false)
		},
		Protocols:              &http.Protocols{},
		DisableCompression:     true,
		MaxIdleConnsPerHost:    connections,
		IdleConnTimeout:        idleTime,
		MaxResponseHeaderBytes: maxHead,
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return secure(ctx, network, address, known, anyHTTP)
		},
	}
	c.Protocols.SetHTTP1(true)
	c.Protocols.SetHTTP2(true)
	if known != nil {
		c.headers = known.headers
	}
	return c
}

// credentialsOf are those of the entry for a server, nil when there is none.
func credentialsOf(server *url.URL, entries []Config, log *slog.Logger) *credentials {
	for i := range entries {
		if key, err := entries[i].server(); err == nil && key == keyOf(server.Scheme, server.Host) {
			return newCredentials(&entries[i], log)
		}
	}
	return nil
}

// RoundTrip implements http.RoundTripper. The headers of the entry are set last.
func (c *Client) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{GotConn: inTurn}))
	if len(c.headers) > 0 {
		r.Header = maps.Clone(r.Header)
		for name, values := range c.headers {
			r.Header[name] = values
		}
	}
	return c.Transport.RoundTrip(r)
}
