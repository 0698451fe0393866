package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"weft/cmd/weft/settings"
	"weft/config"
)

func TestTheNodeTakesItsConfiguration(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "weft.yaml")
	// A folder may be called anything.
	data := filepath.Join(dir, `it's a "data" folder: #1`)
	if err := os.WriteFile(file, []byte(nodeConfig{name: "playground", dataDir: data, addrs: testAddrs, secret: newMint().secret}.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := settings.Load(settings.Source{Source: config.Source{Path: file}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Node.DataDir != data {
		t.Errorf("data folder %q, want %q", c.Node.DataDir, data)
	}
	if origins := c.Public.CORSOrigins; !slices.Contains(origins, "http://"+testAddrs.Page) || !slices.Contains(origins, "http://localhost:4100") {
		t.Errorf("origins %v", origins)
	}
	for _, listen := range []string{c.Node.Listen, c.Public.Listen, c.Admin.Listen} {
		if !slices.Contains([]string{testAddrs.NATS, testAddrs.Public, testAddrs.Admin}, listen) {
			t.Errorf("listens on %s", listen)
		}
	}
}

func TestTheNodesOfAClusterDifferInNameFolderAndPorts(t *testing.T) {
	members := usualMembers(3)
	var seeds []string
	for _, m := range members {
		seeds = append(seeds, m.Cluster)
	}
	seen := map[string]bool{}
	for _, m := range members {
		cfg := nodeConfig{
			name: m.Name, dataDir: filepath.Join("/tmp/data", m.Name), secret: newMint().secret,
			addrs:   addresses{Page: testAddrs.Page, Public: m.Public, Admin: m.Admin, NATS: m.NATS, Kafka: testAddrs.Kafka},
			cluster: &clusterConfig{listen: m.Cluster, seeds: seeds, secret: "what they share"},
		}
		file := filepath.Join(t.TempDir(), "weft.yaml")
		if err := os.WriteFile(file, []byte(cfg.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := settings.Load(settings.Source{Source: config.Source{Path: file}})
		if err != nil {
			t.Fatal(err)
		}
		if c.Cluster == nil || c.Cluster.Size != 3 || !slices.Equal(c.Cluster.Seeds, seeds) {
			t.Fatalf("cluster %+v", c.Cluster)
		}
		for _, own := range []string{c.Node.Name, c.Node.DataDir, c.Node.Listen, c.Public.Listen, c.Admin.Listen, c.Cluster.Listen} {
			if seen[own] {
				t.Errorf("two nodes have %s", own)
			}
			seen[own] = true
		}
		if shown := cfg.masked(); strings.Contains(shown, cfg.secret) || strings.Contains(shown, "what they share") {
			t.Errorf("secrets are shown: %s", shown)
		}
	}
}
