package test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"weft/config/testkit/standstill"
	"weft/test/stage"
)

// A client that leaves while nobody takes its body is noticed at once, too, and is no failure
// of the back end; one that stays is waited for.
func TestAClientThatLeavesAnUploadWhichIsNotTakenIsGone(t *testing.T) {
	release := make(chan bool)
	defer close(release)
	back := stage.StartBackend(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-time.After(2 * time.Second):
			if r.URL.Path == "/late" {
				_, _ = io.Copy(io.Discard, r.Body)
				return
			}
			<-release
		}
	})
	// Its connections are taken by the system, and nobody says a word: the body waits for that.
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mute.Close() })
	running := func(n *stage.Node) float64 { return metric(t, n, `weft_route_running\{scheme="https?"\}`) }
	cert, key := writeCertificate(t, t.TempDir(), "weft.example.com")
	secure := stage.Settings(t.TempDir()).With("public.tls.cert", cert).With("public.tls.key", key)
	for name, node := range map[string]*stage.Node{
		"plain": stage.StartNode(t, stage.Settings(t.TempDir())),
		"TLS":   stage.StartNode(t, secure),
	} {
		stage.PutRoute(t, node, "r", routeTo(back.URL(), "body_limit", "none"))
		stage.PutRoute(t, node, "mute", stage.Route{"pattern": "/mute", "target": "https://" + mute.Addr().String(), "connect_timeout": "30s", "auth": openToAll})
		dial := func() (conn net.Conn, tcp *net.TCPConn) {
			plain, err := net.Dial("tcp", node.Address())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = plain.Close() })
			if name == "plain" {
				return plain, plain.(*net.TCPConn)
			}
			return tls.Client(plain, &tls.Config{RootCAs: poolOf(t, cert), ServerName: "weft.example.com"}), plain.(*net.TCPConn)
		}
		for i, c := range []struct {
			way, path, length, body string
			leave                   func(*net.TCPConn) error
		}{
			{"closes", "/mute", "Content-Length: 1000", "a part", (*net.TCPConn).Close},
			{"closes after all", "/mute", "Content-Length: 6", "it all", (*net.TCPConn).Close},
			{"closes its direction", "/mute", "Content-Length: 1000", "a part", (*net.TCPConn).CloseWrite},
			{"closes between chunks", "/mute", "Transfer-Encoding: chunked", "1\r\na\r\n", (*net.TCPConn).Close},
			{"breaks off", "/x", "Content-Length: 1000000000", "", func(tcp *net.TCPConn) error {
				_ = tcp.SetLinger(0)
				return tcp.Close()
			}},
		} {
			conn, tcp := dial()
			if _, err := io.WriteString(conn, "POST "+c.path+" HTTP/1.1\r\nHost: weft\r\n"+c.length+"\r\n\r\n"+c.body); err != nil {
				t.Fatal(err)
			}
			eventually(t, 20*time.Second, name+": who "+c.way+" is served", func() bool { return running(node) == 1 })
			var err error
			for block := make([]byte, 1<<20); c.path == "/x" && err == nil; { // until nothing is taken any more
				_ = tcp.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
				_, err = conn.Write(block)
			}
			if err := c.leave(tcp); err != nil {
				t.Fatal(err)
			}
			left, still := time.Now(), standstill.Begin(t)
			eventually(t, 20*time.Second, name+": who "+c.way+" is gone", func() bool { return running(node) == 0 })
			if took := time.Since(left); took > time.Second+still.Lost() {
				t.Errorf("%s: who %s is gone after %v", name, c.way, took)
			}
			eventually(t, 20*time.Second, name+": who "+c.way+" is counted", func() bool {
				return metric(t, node, `weft_route_requests_total\{outcome="client_gone",route="\w+"\}`) == float64(i+1)
			})
		}
		for _, outcome := range []string{"aborted", "unavailable", "timeout", "4xx", "5xx"} {
			if n := metric(t, node, `weft_route_requests_total\{outcome="`+outcome+`",route="\w+"\}`); n != 0 {
				t.Errorf("%s: %v are counted as %s", name, n, outcome)
			}
		}
		conn, _ := dial()
		if _, err := io.WriteString(conn, "POST /late HTTP/1.1\r\nHost: weft\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\nbody"); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		text, err := io.ReadAll(conn)
		if !strings.Contains(string(text), "HTTP/1.1 200 ") {
			t.Errorf("%s: who stays is told %q, %v", name, text, err)
		}
	}
}

// poolOf has one certificate.
func poolOf(t testing.TB, path string) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatalf("%s has no certificate", path)
	}
	return pool
}
