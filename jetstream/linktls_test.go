package jetstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"weft/config"
	"weft/jetstream/event"

	"github.com/prometheus/client_golang/prometheus"
)

// A record keeps what is logged.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Split(strings.TrimSpace(r.text.String()), "\n")
}

func (r *record) has(words string) bool {
	for _, l := range r.lines() {
		if strings.Contains(l, words) {
			return true
		}
	}
	return false
}

// logAnd logs to the test and to a record.
func logAnd(t testing.TB, r *record) *slog.Logger {
	return slog.New(slog.NewTextHandler(io.MultiWriter(t.Output(), r), &slog.HandlerOptions{Level: slog.LevelInfo}))
}

func TestThreeNodesFormAClusterOverTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	configs := clusterConfigs(t, 3, 1)
	for i := range configs {
		configs[i].Cluster.TLS = ca.issue(nodeCertificate("127.0.0.1"))
	}
	nodes := openCluster(t, configs)
	if _, err := nodes[2].Publish(t.Context(), event.Event{Subject: "user.ann", Data: []byte("1")}); err != nil {
		t.Fatal(err)
	}
}

// What is wrong with one of two nodes is said by both, in words that help, once
// and not for every try, without any secret, and by the node that waits.
func TestARefusedLinkIsToldByBothSides(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	good := ca.issue(nodeCertificate("127.0.0.1"))
	for _, c := range []struct {
		name   string
		change func(c *Config)
		at     string // the node that is right
		odd    string // the one that is not
	}{
		{"another secret", func(c *Config) { c.Cluster.Secret = "s3cret-2" },
			"its cluster.secret is another one", "its cluster.secret is another one"},
		{"another authority", func(c *Config) { c.Cluster.TLS = other.issue(nodeCertificate("127.0.0.1")) },
			"its certificate does not come from cluster.tls.ca", "its certificate does not come from cluster.tls.ca"},
		{"a certificate for another host", func(c *Config) { c.Cluster.TLS = ca.issue(nodeCertificate("shop.example")) },
			"its certificate is for none of the hosts of cluster.seeds", "it refuses this node's certificate"},
		{"no TLS", func(c *Config) { c.Cluster.TLS = nil },
			"it does not speak TLS", "its cluster.tls may be set"},
		{"another cluster name", func(c *Config) { c.Cluster.Name = "shop" },
			"its cluster.name is", "its cluster.name is"},
		{"the same node name", func(c *Config) { c.Node.Name = "n1" },
			"it has this node's own name", "it has this node's own name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			configs := clusterConfigs(t, 2, 2)
			for i := range configs {
				configs[i].Cluster.TLS = good
			}
			c.change(&configs[1])
			ctx, cancel := context.WithCancel(t.Context())
			var opening sync.WaitGroup
			defer opening.Wait()
			defer cancel()
			var nodes [2]*Node
			var logs [2]record
			for i, cfg := range configs {
				nodes[i] = New(cfg, logAnd(t, &logs[i]), prometheus.NewRegistry())
				opening.Go(func() {
					if err := nodes[i].Open(ctx); err == nil {
						t.Errorf("%s is in a cluster", cfg.Node.Name)
					}
				})
			}
			for i, words := range []string{c.at, c.odd} {
				waitFor(t, func() bool { return logs[i].has(words) })
				waitFor(t, func() bool { return strings.Contains(nodes[i].Ready().Error(), "; no link to 127.0.0.1:") })
			}
			// Nodes try once a second, and more often when both call.
			select {
			case <-time.After(2500 * time.Millisecond):
			case <-t.Context().Done():
			}
			for i := range logs {
				said := map[string]int{}
				for _, l := range logs[i].lines() {
					_, text, _ := strings.Cut(l, " level=")
					words, _, _ := strings.Cut(text, " address=")
					if said[words]++; said[words] > 1 && strings.Contains(words, "no link") {
						t.Errorf("said again: %s", l)
					}
					if strings.HasPrefix(text, "ERROR") || strings.Contains(l, "s3cret") || strings.Contains(l, "rid:") {
						t.Errorf("said: %s", l)
					}
				}
			}
		})
	}
}

// A caller that is no node of the cluster gets nowhere on the port of the links.
func TestACertificateThatIsNoNodesIsRefused(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	configs := clusterConfigs(t, 3, 1)
	configs[0].Cluster.TLS = ca.issue(nodeCertificate("127.0.0.1"))
	var log record
	n := New(configs[0], logAnd(t, &log), prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(t.Context())
	var opening sync.WaitGroup
	defer opening.Wait()
	defer cancel()
	opening.Go(func() { n.Open(ctx) }) // it waits for others until the end
	waitFor(t, func() bool { return n.srv.running() != nil })

	expired := nodeCertificate("127.0.0.1")
	expired.NotAfter = time.Now().Add(-time.Hour)
	server := nodeCertificate("127.0.0.1")
	server.ExtKeyUsage = server.ExtKeyUsage[:1]
	for _, c := range []struct {
		name  string
		files *config.TLSFiles
		words string
	}{
		{"expired", ca.issue(expired), "its certificate expired on"},
		{"only for servers", ca.issue(server), "its certificate must be good for servers and for clients"},
		{"of another authority", other.issue(nodeCertificate("127.0.0.1")), "its certificate does not come from cluster.tls.ca"},
		{"none", nil, "it shows no certificate"},
	} {
		client := &tls.Config{InsecureSkipVerify: true}
		if c.files != nil {
			cert, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
			if err != nil {
				t.Fatal(err)
			}
			client.Certificates = []tls.Certificate{cert}
		}
		conn, err := tls.Dial("tcp", configs[0].Cluster.Listen, client)
		if err == nil {
			_, err = conn.Read(make([]byte, 1))
			conn.Close()
		}
		if err == nil {
			t.Errorf("%s: it is spoken to", c.name)
		}
		waitFor(t, func() bool { return log.has(c.words) })
	}
}

// A node whose certificate no other would accept says so when it starts.
func TestAnOwnCertificateThatNobodyAcceptsIsNotStartedWith(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	expired, server := nodeCertificate("n1"), nodeCertificate("n1")
	expired.NotAfter = time.Now().Add(-time.Hour)
	server.ExtKeyUsage = server.ExtKeyUsage[:1]
	foreign := other.issue(nodeCertificate("n1"))
	foreign.CA = ca.issue(nodeCertificate("n1")).CA
	for words, files := range map[string]*config.TLSFiles{
		"expired on":                 ca.issue(expired),
		"for servers and for client": ca.issue(server),
		"does not come from":         foreign,
	} {
		if _, err := newLinkTLS(*files, nil, logTo(t)); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v", words, err)
		}
	}
}

// Nodes accept each other by a name of the seeds, or one that all have.
func TestACertificateIsForAHostOfTheSeedsOrSharesAName(t *testing.T) {
	ca := newAuthority(t)
	own := ca.issue(nodeCertificate("n1.example", "weft"))
	l, err := newLinkTLS(*own, []string{"n1.example:6222", "n2.example:6222", "10.0.0.3:6222"}, logTo(t))
	if err != nil {
		t.Fatal(err)
	}
	for host, ok := range map[string]bool{"n2.example": true, "weft": true, "10.0.0.3": true, "*.example": true, "shop.example": false, "10.0.0.4": false} {
		leaf, _ := ca.sign(nodeCertificate(host), ca.cert, ca.key)
		if err := l.verify(tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}); (err == nil) != ok {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// A certificate that was renewed is used without a restart; one that cannot be
// read leaves the one before.
func TestARenewedCertificateIsUsed(t *testing.T) {
	ca := newAuthority(t)
	files := ca.issue(nodeCertificate("n1"))
	l, err := newLinkTLS(*files, nil, logTo(t))
	if err != nil {
		t.Fatal(err)
	}
	first := l.own()
	ca.renew(files, nodeCertificate("n1"))
	waitFor(t, func() bool { return !bytes.Equal(l.own().Leaf.Raw, first.Leaf.Raw) }) // files have coarse times
	second := l.own()
	ca.write(files.Cert, "CERTIFICATE", []byte("not one"))
	if !bytes.Equal(l.own().Leaf.Raw, second.Leaf.Raw) {
		t.Error("another certificate is used")
	}
}
