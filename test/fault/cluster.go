package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/stage"
)

const (
	topicName  = "faults"
	partitions = 6
	// kept is how many events of a user the store keeps: more than any fault lets
	// pass, so that every reset is a false one.
	kept = 20_000
	// readyLimit bounds how long a node may take until it is ready again.
	readyLimit = 60 * time.Second
)

// A Cluster is what faults are done to: three nodes, a broker, and the way to the
// nodes that clients take.
type Cluster struct {
	Nodes []*stage.Node
	// Balancer is the way of clients to the nodes.
	Balancer *stage.Balancer
	Kafka    *stage.Kafka
	// Disks are the small ones that hold the nodes' data folders; none where mounting
	// is not permitted.
	Disks []*stage.Disk
	// events and logs are disks in their place that can hang, with what the nodes'
	// streams keep, and with the rest.
	events, logs []*stage.HangingDisk
	// Token mints a token for a user.
	Token func(user string) string
	// Load runs all the while.
	Load *Load
	// elections counts those of the nodes, settled says that all copies follow.
	elections *counter
	settled   bool
	// Log says what a fault does, for whoever reads the log of a failed run.
	Log func(format string, args ...any)
}

// StartCluster starts all of it, with an idle load, until the test ends.
func StartCluster(t *testing.T, ctx context.Context) *Cluster {
	t.Helper()
	c := &Cluster{Log: logger(t), Token: func(user string) string { return stage.Token(t, user, nil) }}
	var err error
	if c.Kafka, err = stage.NewKafka(ctx, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Kafka.Kill)
	if err := stage.CreateTopic(ctx, c.Kafka.Address, topicName, partitions); err != nil {
		t.Fatal(err)
	}
	settings := stage.Config{
		"node.min_free":          floorBytes,
		"cluster.isolated_for":   isolatedFor.String(),
		"public.drain_delay":     "1s", // two of the balancer's checks
		"events.max_per_subject": kept,
		"events.max_bytes":       "256MiB",
		"auth.publish":           []any{"user.*"},
	}.Kafka(c.Kafka.Address, stage.Source{"topic": topicName, "to": []string{"user.{/user}"}, "type": "load.{/source}", "start": "oldest"})
	if folders := c.mount(t); folders != nil {
		settings["node.data_dir"] = folders
	}
	if failover := os.Getenv("WEFT_FAULT_FAILOVER"); failover != "" {
		settings["cluster.failover"] = failover
	}
	start := stage.StartCluster
	if stage.HasNetwork() {
		start = stage.NewNetwork(t, stage.ClusterSize).StartCluster
	}
	c.Nodes = start(t, ctx, settings)
	c.Balancer = stage.StartBalancer(t, ctx, c.Nodes)
	return c
}

// mount gives each node a small disk and returns where on it its data folder is.
func (c *Cluster) mount(t *testing.T) (folders stage.PerNode) {
	t.Helper()
	for range stage.ClusterSize {
		disk, err := stage.NewDisk(t, diskBytes)
		if errors.Is(err, stage.ErrNoMount) {
			t.Logf("WARNING: no disk is filled: %v", err)
			return nil
		}
		if err != nil {
			t.Fatal(err)
		}
		c.Disks = append(c.Disks, disk)
		folders = append(folders, disk.Path+"/data")
	}
	return folders
}

func logger(t *testing.T) func(string, ...any) {
	began := time.Now()
	return func(format string, args ...any) {
		t.Helper()
		t.Logf("%7.2fs %s "+format, append([]any{time.Since(began).Seconds(), time.Now().Format("15:04:05.000")}, args...)...)
	}
}

// asker keeps a paused node from holding up whoever asks.
var asker = &http.Client{Timeout: 500 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}

// Ready reports whether node i says that it is ready.
func (c *Cluster) Ready(ctx context.Context, i int) bool { return c.readiness(ctx, i) == nil }

// errNotReady is the error of a node that says itself that it is not ready.
var errNotReady = errors.New("not ready")

// readiness is nil when node i is ready, else what it says instead: errNotReady, or
// nothing.
func (c *Cluster) readiness(ctx context.Context, i int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Nodes[i].AdminURL()+"/readyz", nil)
	if err != nil {
		return err
	}
	answer, err := asker.Do(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	why, _ := io.ReadAll(answer.Body)
	return fmt.Errorf("%w: status %d: %s", errNotReady, answer.StatusCode, why)
}

// AwaitReady waits until all nodes are ready.
func (c *Cluster) AwaitReady(ctx context.Context) error {
	var waiting sync.WaitGroup
	errs := make([]error, len(c.Nodes))
	for i := range c.Nodes {
		waiting.Go(func() { errs[i] = c.awaitReady(ctx, i) })
	}
	waiting.Wait()
	return errors.Join(errs...)
}

func (c *Cluster) awaitReady(ctx context.Context, i int) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	for {
		why := c.readiness(ctx, i)
		if why == nil {
			return nil
		}
		if waitfor.Time(ctx, 50*time.Millisecond) != nil {
			return fmt.Errorf("n%d is not ready after %v: %w", i+1, readyLimit, why)
		}
	}
}
