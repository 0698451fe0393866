package stage

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A Balancer is HAProxy in front of the public listeners of some nodes, passing
// on plain TCP to those that say at /readyz that they are ready.
//
// A node that says that it is not keeps the connections that it has: it sends
// them away itself. One that does not answer loses them.
type Balancer struct {
	t       testing.TB
	mode    string // of HAProxy
	address string
	front   Front
	file    string
	process *Process
}

// checkEvery is how often the balancer asks whether a node is ready.
const checkEvery = 500 * time.Millisecond

// StartBalancer starts HAProxy until the test ends and waits until it takes
// connections. The output of a failed test shows its log.
func StartBalancer(t testing.TB, ctx context.Context, nodes []*Node) *Balancer {
	t.Helper()
	return startBalancer(t, ctx, &Balancer{mode: "tcp", address: FreeAddress(t)}, nodes)
}

// A Front is what a balancer of HTTP is to browsers.
type Front struct {
	// Address is that of HTTP/1.1 without TLS.
	Address string
	// Secure is the address of TLS with HTTP/2 and HTTP/1.1, and Certificate the file of both
	// certificate and key. There is none if it is empty.
	Secure, Certificate string
	// App is the address of a server that gets at Secure all that is not below /_weft/.
	App string
	// Through is an address from which bytes are passed on to the nodes, whose public
	// listeners have TLS of their own; they have none if it is empty.
	Through string
}

// StartHTTPBalancer is StartBalancer with a front, where each request is passed on by
// itself, and HAProxy answers those that no node takes.
func StartHTTPBalancer(t testing.TB, ctx context.Context, front Front, nodes []*Node) *Balancer {
	t.Helper()
	return startBalancer(t, ctx, &Balancer{mode: "http", address: front.Address, front: front}, nodes)
}

func startBalancer(t testing.TB, ctx context.Context, b *Balancer, nodes []*Node) *Balancer {
	t.Helper()
	b.t, b.file = t, filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(b.file, []byte(b.config(nodes)), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if b.process == nil {
			return
		}
		b.process.Kill()
		if t.Failed() {
			t.Logf("last changes of state in the balancer:\n%s", strings.Join(b.changes(), "\n"))
		}
	})
	b.start(ctx)
	return b
}

// URL is the origin of the balancer.
func (b *Balancer) URL() string { return "http://" + b.address }

// SecureURL is the origin with TLS.
func (b *Balancer) SecureURL() string { return "https://" + b.front.Secure }

// ThroughURL is the origin with the TLS of the nodes.
func (b *Balancer) ThroughURL() string { return "https://" + b.front.Through }

// Restart kills the balancer, and with it all connections, and starts it again.
func (b *Balancer) Restart(ctx context.Context, arguments ...string) {
	b.t.Helper()
	b.process.Kill()
	b.start(ctx)
}

// Reload lets another process take over, as a new configuration does: the one before
// serves the connections that it has for a second more, and then cuts them.
func (b *Balancer) Reload(ctx context.Context) {
	b.t.Helper()
	before := b.process
	b.t.Cleanup(before.Kill)
	b.start(ctx, "-sf", strconv.Itoa(before.cmd.Process.Pid))
}

// Process is the running or last process.
func (b *Balancer) Process() *Process { return b.process }

func (b *Balancer) start(ctx context.Context, arguments ...string) {
	b.t.Helper()
	haproxy := lookPath("haproxy")
	if haproxy == "" {
		b.t.Fatal("there is no haproxy; test/scripts/prepare.sh installs it")
	}
	var err error
	// -db: in the foreground, one process.
	if b.process, err = StartProcess("haproxy", exec.Command(haproxy, append([]string{"-db", "-f", b.file}, arguments...)...)); err != nil {
		b.t.Fatal(err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("tcp", b.address)
		if err == nil {
			conn.Close()
			return
		}
		select {
		case <-tick.C:
		case <-b.process.done:
			b.t.Fatalf("haproxy ended:\n%s", strings.Join(b.process.Output(), "\n"))
		case <-ctx.Done():
			b.t.Fatalf("wait for haproxy: %v\n%s", ctx.Err(), strings.Join(b.process.Output(), "\n"))
		}
	}
}

// changes are the lines of the log that tell how the nodes fared.
func (b *Balancer) changes() []string {
	var lines []string
	for _, line := range b.process.Output() {
		if strings.Contains(line, "Server ") || strings.Contains(line, "[ALERT]") || strings.Contains(line, "has no server") {
			lines = append(lines, line)
		}
	}
	return lines[max(0, len(lines)-60):]
}

// config is written after the manual of HAProxy 2.6: "http-check expect" lets any
// answer but 200 pass conditionally (L7OKC), as disable-on-404 does with a 404: the
// server gets no new connections and keeps those that it has.
func (b *Balancer) config(nodes []*Node) string {
	var s strings.Builder
	fmt.Fprintf(&s, `global
	fd-hard-limit 20000
	hard-stop-after 1s
	log stdout format raw daemon info
defaults
	mode %[3]s
	log global
	timeout connect 1s
	timeout check 1s
	timeout client 1h
	timeout server 1h
	timeout tunnel 1h
	timeout client-fin 5s
	timeout server-fin 5s
	retries 3
	option redispatch 1
frontend public
	bind %[1]s
	default_backend nodes
backend nodes
	balance random
	option httpchk
	http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host 127.0.0.1
	http-check expect status 200 error-status L7OKC
	default-server check inter %[2]s fastinter %[2]s downinter %[2]s fall 2 rise 1 on-marked-down shutdown-sessions
`, b.address, checkEvery, b.mode)
	tls := ""
	if b.front.Through != "" {
		tls = " ssl verify none no-check-ssl"
	}
	for _, n := range nodes {
		host, port, _ := net.SplitHostPort(n.admin)
		fmt.Fprintf(&s, "\tserver %s %s addr %s port %s%s\n", n.Config["node.name"], n.public, host, port, tls)
	}
	if tls != "" {
		fmt.Fprintf(&s, "frontend through\n\tmode tcp\n\tbind %s\n\tdefault_backend through\nbackend through\n\tmode tcp\n\tbalance random\n\tdefault-server on-marked-down shutdown-sessions\n", b.front.Through)
		for _, n := range nodes {
			fmt.Fprintf(&s, "\tserver %[1]s %[2]s track nodes/%[1]s\n", n.Config["node.name"], n.public)
		}
	}
	if f := b.front; f.Secure != "" {
		fmt.Fprintf(&s, `frontend secure
	bind %s ssl crt %s alpn h2,http/1.1
	use_backend nodes if { path_beg /_weft/ }
	default_backend app
backend app
	server app %s
`, f.Secure, f.Certificate, f.App)
	}
	return s.String()
}
