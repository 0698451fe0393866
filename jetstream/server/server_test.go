package jetstream

import (
	"context"
	"fmt"
	"testing"
	"time"

	"weft/internal/freeport"
)

func serverTestConfig(t testing.TB, name string) serverConfig {
	return serverConfig{Node: NodeConfig{Name: name, DataDir: t.TempDir(), Listen: "127.0.0.1:0"}}
}

// serverTestConfigs are those of n nodes of a cluster.
func serverTestConfigs(t testing.TB, n int) []serverConfig {
	t.Helper()
	addrs, err := freeport.Addresses("127.0.0.1", n)
	if err != nil {
		t.Fatal(err)
	}
	list := make([]serverConfig, n)
	for i := range list {
		list[i] = serverTestConfig(t, fmt.Sprintf("n%d", i+1))
		c := ClusterConfig{Listen: addrs[i], Seeds: addrs, Secret: "s3cret"}
		c.Complete()
		list[i].Cluster = &c
	}
	return list
}

// formOnly lets a server meet the others in a new data folder.
func formOnly(ctx context.Context, e *embedded, report func(string)) error {
	lock, err := openFolder(e.cfg)
	if err != nil {
		return err
	}
	defer lock.Close()
	return e.form(ctx, report)
}

// formAndStart lets a server meet the others and starts it with its store.
func formAndStart(t testing.TB, e *embedded, report func(string)) error {
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	if err := formOnly(ctx, e, report); err != nil {
		return err
	}
	return e.start(ctx)
}
