package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"weft/test/playground/child"
)

// checkEvery is how often the balancer asks whether a node is ready.
const checkEvery = 500 * time.Millisecond

// startBalancerWithin bounds how long HAProxy may take to listen.
const startBalancerWithin = 30 * time.Second

// A balancer is HAProxy in front of the nodes. It passes on plain TCP and knows
// of Weft only that GET /readyz says which node takes connections.
type balancer struct{ *child.Process }

// haproxyNames are where HAProxy may be: on the PATH, or in the folder where
// Debian has it, which is not on the PATH of everybody.
var haproxyNames = []string{"haproxy", "/usr/sbin/haproxy"}

// findHAProxy returns the first of names that is a program.
func findHAProxy(names ...string) (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", &hintError{
		errors.New("find haproxy: it is not installed"),
		"the load balancer in front of the nodes is HAProxy: apt install haproxy, or brew install haproxy",
	}
}

// startBalancer runs HAProxy with a configuration that it writes to dir, and
// waits until it takes connections for members at a.Public and a.Admin. It must
// be ended by Close.
func startBalancer(ctx context.Context, path, dir string, a addresses, members []memberAddresses, out io.Writer) (*balancer, error) {
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(balancerConfig(a, members)), 0o600); err != nil {
		return nil, fmt.Errorf("write configuration of haproxy: %w", err)
	}
	// -db: one process, in the foreground.
	p, err := child.Start("haproxy", out, path, "-db", "-f", file)
	if err != nil {
		return nil, err
	}
	b := &balancer{p}
	if err := b.awaitListening(ctx, a.Public); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func (b *balancer) awaitListening(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, startBalancerWithin)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close() // nothing was said
			return nil
		}
		select {
		case <-again.C:
		case <-b.Done():
			return fmt.Errorf("start haproxy: %w", b.Err())
		case <-ctx.Done():
			return fmt.Errorf("wait for haproxy to listen: %w", ctx.Err())
		}
	}
}

// Close ends HAProxy and all connections. It may be called twice.
func (b *balancer) Close() error {
	b.End(0) // it has nothing to lose
	return nil
}

// balancerConfig is written after the manual of HAProxy 2.6. A node that does
// not answer loses its connections (on-marked-down). One that answers that it is
// not ready keeps them and gets no new ones: error-status L7OKC, which
// disable-on-404 is the older form of. It sends them away itself.
func balancerConfig(a addresses, members []memberAddresses) string {
	var s strings.Builder
	fmt.Fprintf(&s, `global
	maxconn 4000
	log stdout format raw daemon notice
defaults
	mode tcp
	log global
	timeout connect 1s
	timeout check 1s
	timeout client 1h
	timeout server 1h
	retries 3
	option redispatch 1
	balance leastconn
	option httpchk
	http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host 127.0.0.1
	http-check expect status 200 error-status L7OKC
	default-server check inter %dms fall 2 rise 1 on-marked-down shutdown-sessions
`, checkEvery.Milliseconds())
	farm := func(name, bind string, address func(memberAddresses) string) {
		fmt.Fprintf(&s, "listen %s\n\tbind %s\n", name, bind)
		for _, m := range members {
			host, port, _ := net.SplitHostPort(m.Admin)
			fmt.Fprintf(&s, "\tserver %s %s addr %s port %s\n", m.Name, address(m), host, port)
		}
	}
	farm("public", a.Public, func(m memberAddresses) string { return m.Public })
	farm("admin", a.Admin, func(m memberAddresses) string { return m.Admin })
	return s.String()
}
