package edge_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"weft/config"
	"weft/config/testkit/slow"
	"weft/edge"
	"weft/edge/transport"
	"weft/edge/wire"
	"weft/jetstream"
)

// certificate writes one for 127.0.0.1 and returns a pool that trusts it.
func certificate(t *testing.T) (*config.KeyPair, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	files := &config.KeyPair{Cert: filepath.Join(t.TempDir(), "cert.pem"), Key: filepath.Join(t.TempDir(), "key.pem")}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, data := range map[string][]byte{
		files.Cert: cert, files.Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return files, pool
}

func TestTLSServesHTTP2AndWebSocket(t *testing.T) {
	t.Parallel()
	files, pool := certificate(t)
	s := newStack(t, func(c *edge.Config, _ *jetstream.Config) { c.Public.TLS = files })
	trust := &tls.Config{RootCAs: pool}
	transport := &http.Transport{TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	token := s.token("ann", nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "https"+strings.TrimPrefix(s.url(nil), "http"), nil)
	s.must(err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "text/event-stream")
	resp, err := transport.RoundTrip(req)
	s.must(err)
	if resp.ProtoMajor != 2 {
		t.Errorf("spoken: %s", resp.Proto)
	}
	dialer := websocket.Dialer{TLSClientConfig: trust.Clone()}
	conn, _, err := dialer.Dial("wss"+strings.TrimPrefix(s.url(nil), "http"), http.Header{"Authorization": {"Bearer " + token}})
	s.must(err)
	defer func() { _ = conn.Close() }()
	_, _, err = conn.ReadMessage()
	s.must(err)
	s.eventually("both are connected", func() bool { return s.edge.Connections() == 2 })
	big := `"` + strings.Repeat("x", 500<<10) + `"`
	s.store("user.ann", "", []byte(big))
	var got []string
	readSSE(resp.Body, func(h heard) {
		if strings.HasPrefix(h.data, `"`) {
			got = append(got, h.data)
			cancel()
		}
	})
	if len(got) != 1 || got[0] != big {
		t.Errorf("over HTTP/2: %d events", len(got))
	}
	for {
		_, message, err := conn.ReadMessage()
		s.must(err)
		if h := parseFrame(message); h.typ != wire.TypeKeepalive {
			if h.data != big {
				t.Errorf("over wss: %.80s", message)
			}
			break
		}
	}
}

func TestAQuietStreamOverHTTP2Stays(t *testing.T) {
	slow.Test(t, "seconds of silence")
	t.Parallel()
	s := newStackOn(t, onTLS, func(c *edge.Config, _ *jetstream.Config) {
		c.Public.Keepalive, c.Public.WriteTimeout = time.Minute, 100*time.Millisecond
	})
	quiet := s.connect(transport.SSE, visitor{token: s.token("ann", nil)})
	quiet.opened()
	// What is waited for must not happen.
	select {
	case h, more := <-quiet.heard:
		t.Fatalf("heard %+v, %v", h, more)
	case <-time.After(500 * time.Millisecond):
	}
	if id, h := s.store("user.ann", "", []byte(`1`)), quiet.next(); h.id != id {
		t.Errorf("heard %+v, want %s", h, id)
	}
}
