package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"weft/test/stage"
)

// told is the status of an answer and what it says, or the code of a problem.
func told(t testing.TB, res *http.Response) string {
	t.Helper()
	text := bodyOf(t, res)
	if _, after, ok := strings.Cut(text, `"code":"`); ok {
		text, _, _ = strings.Cut(after, `"`)
	}
	return fmt.Sprint(res.StatusCode, " ", text)
}

func routeTo(target string, more ...any) stage.Route {
	r := stage.Route{"pattern": "/{rest...}", "target": target, "auth": openToAll}
	for i := 0; i < len(more); i += 2 {
		if r[more[i].(string)] = more[i+1]; more[i] == "targets" {
			delete(r, "target")
		}
	}
	return r
}

// What fails is a problem with a code, is tried elsewhere where nothing was sent, and a back
// end that cannot be reached is spared.
func TestBackEndsThatFail(t *testing.T) {
	node := stage.StartNode(t, stage.Settings(t.TempDir()))
	client := plainClient(t, false)
	ask := func(method, body string) string {
		t.Helper()
		return told(t, sendTo(t, client, method, node.URL()+"/a", strings.NewReader(body)))
	}
	back := stage.StartBackend(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	mute := stage.StartWire(t, func(conn net.Conn, _ string) { _, _ = io.Copy(io.Discard, conn) })
	var asked atomic.Int64
	ending := stage.StartWire(t, func(conn net.Conn, _ string) {
		asked.Add(1)
		_ = conn.Close()
	})

	stage.PutRoute(t, node, "r", routeTo("http://"+stage.RefusingAddress(t)))
	if got := ask("POST", "x"); got != "502 upstream_unavailable" {
		t.Errorf("nobody listens: %s", got)
	}
	stage.PutRoute(t, node, "r", routeTo(mute.URL(), "timeout", "100ms"))
	if got := ask("GET", ""); got != "504 upstream_timeout" {
		t.Errorf("a late head: %s", got)
	}
	stage.PutRoute(t, node, "r", routeTo(ending.URL()))
	if got := ask("POST", "x"); got != "502 upstream_unavailable" || asked.Load() != 1 {
		t.Errorf("an end before the head: %s, asked %d times", got, asked.Load())
	}
	asked.Store(0)
	stage.PutRoute(t, node, "r", routeTo("", "targets", []string{ending.URL(), back.URL()}))
	for range 4 {
		if got := ask("GET", ""); got != "200 " {
			t.Errorf("a GET goes to the next one: %s", got)
		}
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("the first one was asked %d times of 4", n)
	}
	failed := 0
	for range 4 {
		if got := ask("POST", "x"); got != "200 x" {
			failed++
		}
	}
	if failed != 2 {
		t.Errorf("%d of 4 POSTs failed; none may be repeated", failed)
	}
	stage.PutRoute(t, node, "r", routeTo("", "targets", []string{"http://" + stage.RefusingAddress(t), back.URL()}))
	for range 10 {
		if got := ask("POST", "whole"); got != "200 whole" {
			t.Errorf("a POST that was not sent: %s", got)
		}
	}
	if n := metric(t, node, `weft_route_targets_aside`); n != 1 {
		t.Errorf("%v back ends are set aside", n)
	}
	if n := metric(t, node, `weft_route_requests_total\{outcome="timeout",route="r"\}`); n != 1 {
		t.Errorf("%v timeouts are counted", n)
	}
	// idle_timeout, in either direction
	stage.PutRoute(t, node, "r", routeTo(mute.URL(), "idle_timeout", "1s", "timeout", "1m"))
	conn, err := net.Dial("tcp", node.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(conn, "POST /a HTTP/1.1\r\nHost: weft\r\nContent-Length: 10\r\n\r\nabc")
	if answer, _ := io.ReadAll(conn); !strings.HasPrefix(string(answer), "HTTP/1.1 408 ") {
		t.Errorf("a client that sends no more is told %q", answer)
	}
}

// writeCertificate writes a certificate that signs itself, and its key.
func writeCertificate(t testing.TB, dir, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: encoded}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// A node has authorities, certificates and secrets that the bucket does not.
func TestWhatANodeNeedsForABackEndIsItsOwn(t *testing.T) {
	dir := t.TempDir()
	serverCert, serverKey := writeCertificate(t, dir, "orders.internal")
	clientCert, clientKey := writeCertificate(t, dir, "weft")
	pair, err := tls.LoadX509KeyPair(serverCert, serverKey)
	if err != nil {
		t.Fatal(err)
	}
	back := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %s %s", r.Proto, r.TLS.PeerCertificates[0].Subject.CommonName, r.Header.Get("Authorization"))
	}))
	back.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert}
	back.EnableHTTP2 = true
	back.Config.ErrorLog = log.New(io.Discard, "", 0)
	back.StartTLS()
	t.Cleanup(back.Close)
	t.Cleanup(back.CloseClientConnections)
	address := back.Listener.Addr().String()
	settings := stage.Settings(t.TempDir()).With("upstreams", []any{map[string]any{"match": "https://" + address,
		"tls":     map[string]any{"ca": serverCert, "cert": clientCert, "key": clientKey, "server_name": "orders.internal"},
		"headers": map[string]any{"Authorization": "Basic secret"}}})
	node := stage.StartNode(t, settings)
	stage.PutRoute(t, node, "r", routeTo("https://"+address))
	client := plainClient(t, false)
	res := sendTo(t, client, "GET", node.URL()+"/", nil, "Authorization", "Basic eve")
	if got := told(t, res); got != "200 HTTP/2.0 weft Basic secret" {
		t.Errorf("with what is needed: %s", got)
	}
	other := stage.StartNode(t, stage.Settings(t.TempDir()))
	stage.PutRoute(t, other, "r", routeTo("https://"+address))
	if got := told(t, sendTo(t, client, "GET", other.URL()+"/", nil)); got != "502 upstream_unavailable" {
		t.Errorf("without: %s", got)
	}
	for _, n := range []*stage.Node{node, other} {
		for _, line := range n.Process().Output() {
			if strings.Contains(line, "Basic") {
				t.Errorf("a secret is logged: %s", line)
			}
		}
	}
}
