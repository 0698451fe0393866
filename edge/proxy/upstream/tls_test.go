package upstream_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"weft/config"
	"weft/edge/proxy/upstream"
)

// writePair writes a certificate that signs itself, and its key.
func writePair(t *testing.T, files config.KeyPair, name string, addresses ...net.IP) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{name}, IPAddresses: addresses, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{files.Cert: {Type: "CERTIFICATE", Bytes: der}, files.Key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func pairIn(dir, name string) config.KeyPair {
	return config.KeyPair{Cert: filepath.Join(dir, name+".crt"), Key: filepath.Join(dir, name+".key")}
}

// secureServer speaks HTTP/1 and HTTP/2 in TLS, echoes WebSockets, and else says who asks by
// which protocol.
func secureServer(t *testing.T, files config.KeyPair, ask tls.ClientAuthType) *httptest.Server {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if websocket.IsWebSocketUpgrade(r) {
			conn, err := new(websocket.Upgrader).Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer conn.Close()
			for {
				kind, message, err := conn.ReadMessage()
				if err != nil || conn.WriteMessage(kind, message) != nil {
					return
				}
			}
		}
		name := "nobody"
		if len(r.TLS.PeerCertificates) > 0 {
			name = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		_, _ = io.WriteString(w, r.Proto+" "+name+" "+r.Header.Get("Authorization"))
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: ask}
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func TestAServerIsKnownByItsAuthorityAndTheNodeByItsCertificate(t *testing.T) {
	dir := t.TempDir()
	server, client := pairIn(dir, "server"), pairIn(dir, "client")
	writePair(t, server, "orders.internal")
	writePair(t, client, "weft")
	back := secureServer(t, server, tls.RequireAnyClientCert)
	address := back.Listener.Addr().String()
	document := map[string]any{"pattern": "/{rest...}", "target": "https://" + address}
	entry := upstream.Config{Match: "https://" + address, Headers: map[string]string{"authorization": "Basic secret"},
		TLS: &upstream.TLSConfig{TLSFiles: config.TLSFiles{KeyPair: client, CA: server.Cert}, ServerName: "orders.internal"}}

	g := open(t, document, entry)
	if status, body := g.get(t, "/"); status != http.StatusOK || body != "HTTP/2.0 weft Basic secret" {
		t.Errorf("%d %q", status, body)
	}
	t.Run("its certificate may change", func(t *testing.T) {
		writePair(t, client, "weft-anew")
		_ = g.upstreams.Close() // what is open stays as it is
		if status, body := g.get(t, "/"); status != http.StatusOK || body != "HTTP/2.0 weft-anew Basic secret" {
			t.Errorf("%d %q", status, body)
		}
	})
	t.Run("files that are broken later change nothing", func(t *testing.T) {
		if err := os.WriteFile(client.Cert, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = g.upstreams.Close()
		if status, body := g.get(t, "/"); status != http.StatusOK || body != "HTTP/2.0 weft-anew Basic secret" {
			t.Errorf("%d %q", status, body)
		}
	})
	t.Run("without its files the node cannot ask", func(t *testing.T) {
		status, body := open(t, document, entry).get(t, "/")
		if code := codeOf(t, body); status != http.StatusServiceUnavailable || code != "upstream_unavailable" {
			t.Errorf("%d %s", status, code)
		}
	})
	for name, trust := range map[string]*upstream.TLSConfig{
		"an authority that nobody named": {},
		"another name":                   {TLSFiles: config.TLSFiles{CA: server.Cert}},
		"no certificate of its own":      {TLSFiles: config.TLSFiles{CA: server.Cert}, ServerName: "orders.internal"},
	} {
		t.Run(name, func(t *testing.T) {
			g := open(t, document, upstream.Config{Match: "https://" + address, TLS: trust})
			if status, body := g.get(t, "/"); status != http.StatusBadGateway {
				t.Errorf("%d %q", status, body)
			}
		})
	}
}

func TestWhatTheNodeItselfAsksIsAskedWithTheEntryOfItsServer(t *testing.T) {
	dir := t.TempDir()
	server, client := pairIn(dir, "server"), pairIn(dir, "client")
	writePair(t, server, "acl.internal")
	writePair(t, client, "weft")
	back := secureServer(t, server, tls.RequireAnyClientCert)
	there := &url.URL{Scheme: "https", Host: back.Listener.Addr().String(), Path: "/may"}
	entry := upstream.Config{Match: "https://" + there.Host, Headers: map[string]string{"authorization": "Basic secret"},
		TLS: &upstream.TLSConfig{TLSFiles: config.TLSFiles{KeyPair: client, CA: server.Cert}, ServerName: "acl.internal"}}
	ask := func(entries ...upstream.Config) (string, error) {
		c := upstream.NewClient(there, 4, entries, slog.New(slog.DiscardHandler))
		defer c.CloseIdleConnections()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, there.String(), strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.RoundTrip(r)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return string(body), err
	}
	if got, err := ask(upstream.Config{Match: "https://other:1", Headers: map[string]string{"authorization": "wrong"}}, entry); err != nil || got != "HTTP/2.0 weft Basic secret" {
		t.Errorf("with its entry: %q, %v", got, err)
	}
	if got, err := ask(); err == nil {
		t.Errorf("a server that nobody vouches for answers %q", got)
	}
	entry.TLS.CA = "gone.pem"
	if got, err := ask(entry); err == nil {
		t.Errorf("without the authority's file a server answers %q", got)
	}
}

func TestAWebSocketReachesAServerThatPrefersHTTP2(t *testing.T) {
	pair := pairIn(t.TempDir(), "server")
	writePair(t, pair, "localhost", net.IPv4(127, 0, 0, 1))
	back := secureServer(t, pair, tls.NoClientCert)
	address := back.Listener.Addr().String()
	g := open(t, map[string]any{"pattern": "/{rest...}", "target": "https://" + address},
		upstream.Config{Match: "https://" + address, TLS: &upstream.TLSConfig{TLSFiles: config.TLSFiles{CA: pair.Cert}}})
	for range 2 { // with and without a connection that is kept
		if _, body := g.get(t, "/"); body != "HTTP/2.0 nobody " {
			t.Errorf("%q", body)
		}
		echoThrough(t, g)
	}
}

func echoThrough(t *testing.T, g *gateway) {
	t.Helper()
	conn, res, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+g.Listener.Addr().String()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if id := res.Header["X-Request-Id"]; len(id) != 1 {
		t.Errorf("the ids are %q", id)
	}
	for _, text := range []string{"one", "two"} {
		if err := conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if _, got, err := conn.ReadMessage(); err != nil || string(got) != text {
			t.Fatalf("%q %v", got, err)
		}
	}
}
