package server

import (
	"context"
	"fmt"
	"testing"
	"time"

	"weft/config/testkit/freeport"
)

func testConfig(t testing.TB, name string) Config {
	return Config{Node: NodeConfig{Name: name, DataDir: t.TempDir(), Listen: "127.0.0.1:0"}}
}

// testConfigs are those of n nodes of a cluster.
func testConfigs(t testing.TB, n int) []Config {
	t.Helper()
	addrs, err := freeport.Addresses("127.0.0.1", n)
	if err != nil {
		t.Fatal(err)
	}
	list := make([]Config, n)
	for i := range list {
		list[i] = testConfig(t, fmt.Sprintf("n%d", i+1))
		c := ClusterConfig{Listen: addrs[i], Seeds: addrs, Secret: "s3cret"}
		c.Complete()
		list[i].Cluster = &c
	}
	return list
}

// formOnly lets a server meet the others in a new data folder.
func formOnly(ctx context.Context, s *Server, report func(string)) error {
	lock, err := OpenDataDir(s.cfg)
	if err != nil {
		return err
	}
	defer lock.Close()
	return s.Form(ctx, report)
}

// formAndStart lets a server meet the others and starts it with its store.
func formAndStart(t testing.TB, s *Server, report func(string)) error {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := formOnly(ctx, s, report); err != nil {
		return err
	}
	return s.Start(ctx)
}
