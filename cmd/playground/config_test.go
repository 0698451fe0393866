package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"weft/config"
)

func TestTheNodeTakesItsConfiguration(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "weft.yaml")
	// A folder may be called anything.
	data := filepath.Join(dir, `it's a "data" folder: #1`)
	if err := os.WriteFile(file, []byte(nodeConfig(testAddrs, data, newMint().secret)), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(config.Source{Path: file})
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
