package server

import (
	"context"
	"crypto/tls"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weft/config"
	"weft/config/testkit/slow"
	"weft/config/testkit/testlog"
	"weft/config/testkit/waitfor"
)

func TestThreeNodesFormAClusterOverTLS(t *testing.T) {
	slow.Test(t, "nodes to meet")
	t.Parallel()
	ca := newAuthority(t)
	var starting sync.WaitGroup
	for _, cfg := range testConfigs(t, 3) {
		cfg.Cluster.TLS = ca.issue(nodeCertificate("127.0.0.1"))
		s := New(cfg, testlog.To(t))
		starting.Go(func() {
			if err := formAndStart(t, s, func(string) {}); err != nil {
				t.Error(err)
				return
			}
			waitfor.True(t, func() bool { return len(s.Peers()) == 2 && s.HasStore() })
		})
		t.Cleanup(s.Stop)
	}
	starting.Wait()
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
			configs := testConfigs(t, 2)
			for i := range configs {
				configs[i].Cluster.TLS = good
			}
			c.change(&configs[1])
			ctx, cancel := context.WithCancel(t.Context())
			var opening sync.WaitGroup
			defer opening.Wait()
			defer cancel()
			var logs [2]testlog.Record
			var waitsFor [2]atomic.Pointer[string]
			for i, cfg := range configs {
				s := New(cfg, testlog.And(t, &logs[i]))
				opening.Go(func() {
					if err := formOnly(ctx, s, func(what string) { waitsFor[i].Store(&what) }); err == nil {
						t.Errorf("%s is in a cluster", cfg.Node.Name)
					}
				})
			}
			for i, words := range []string{c.at, c.odd} {
				waitfor.True(t, func() bool { return logs[i].Has(words) })
				waitfor.True(t, func() bool {
					what := waitsFor[i].Load()
					return what != nil && strings.Contains(*what, "; no link to 127.0.0.1:")
				})
			}
			// Nodes try once a second, and more often when both call.
			select {
			case <-time.After(2500 * time.Millisecond):
			case <-t.Context().Done():
			}
			for i := range logs {
				said := map[string]int{}
				for _, l := range logs[i].Lines() {
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
	configs := testConfigs(t, 3)
	configs[0].Cluster.TLS = ca.issue(nodeCertificate("127.0.0.1"))
	var log testlog.Record
	s := New(configs[0], testlog.And(t, &log))
	ctx, cancel := context.WithCancel(t.Context())
	var opening sync.WaitGroup
	defer opening.Wait()
	defer cancel()
	opening.Go(func() { formOnly(ctx, s, func(string) {}) }) // it waits for others until the end
	waitfor.True(t, s.Running)

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
		waitfor.True(t, func() bool { return log.Has(c.words) })
	}
}
