package jetstream

import (
	"errors"
	"fmt"
	"testing"
	"time"

	js "github.com/nats-io/nats.go/jetstream"

	"weft/config/testkit/slow"
	"weft/config/testkit/waitfor"
	"weft/jetstream/kv"
)

// revokedSome puts entries of each kind and returns a question whether all of them
// cut on a node.
func revokedSome(t *testing.T, n *Node) func(*Node) error {
	t.Helper()
	b := n.Blacklist()
	for name, ttl := range map[string]time.Duration{"s1": 0, "s 2": time.Hour, "user.ann": 0} {
		if err := b.Put(t.Context(), name, "", ttl); err != nil {
			t.Fatal(err)
		}
	}
	issued := time.Now().Add(-time.Minute)
	return func(n *Node) error {
		b := n.Blacklist()
		for _, who := range [][2]string{{"s1", ""}, {"s 2", ""}, {"s3", "ann"}} {
			if !b.Revoked(who[0], who[1], issued) {
				return fmt.Errorf("%s does not cut %v", n.Name(), who)
			}
		}
		return nil
	}
}

// inBucket counts the entries in the bucket itself.
func inBucket(t *testing.T, n *Node) int {
	t.Helper()
	bucket, err := asOperator(t, n).KeyValue(t.Context(), kv.Blacklist)
	if err != nil {
		return 0
	}
	keys, err := bucket.Keys(t.Context())
	if err != nil && !errors.Is(err, js.ErrNoKeysFound) {
		return 0
	}
	return len(keys)
}

// keepsCutting waits until the bucket is whole again, while nobody who is revoked
// gets in. It reports whether a node knew that the bucket was gone.
func keepsCutting(t *testing.T, nodes []*Node, cuts func(*Node) error) (noticed bool) {
	t.Helper()
	waitfor.True(t, func() bool {
		for range 100 {
			for _, n := range nodes {
				if err := cuts(n); err != nil {
					t.Fatal(err)
				}
				noticed = noticed || n.Blacklist().Remaking()
			}
		}
		return inBucket(t, nodes[0]) == 3 && !nodes[0].Blacklist().Remaking()
	})
	for _, n := range nodes {
		waitfor.True(t, func() bool { return n.Ready() == nil })
		if err := cuts(n); err != nil {
			t.Error(err)
		}
	}
	return noticed
}

// Whoever finds a way to remove the bucket lets nobody in: it is made anew from what
// the node remembers, which is not ready meanwhile.
func TestABucketThatDisappearsIsMadeAnew(t *testing.T) {
	slow.Test(t, "watches to notice")
	t.Parallel()
	for _, size := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d nodes", size), func(t *testing.T) {
			t.Parallel()
			nodes := openSome(t, size)
			cuts := revokedSome(t, nodes[0])
			for _, n := range nodes {
				waitfor.True(t, func() bool { return cuts(n) == nil && n.Ready() == nil })
			}
			for _, bucket := range kv.Operated {
				if err := nodes[0].control.JS.DeleteStream(t.Context(), "KV_"+bucket); err != nil {
					t.Fatal(err)
				}
			}
			if !keepsCutting(t, nodes, cuts) {
				t.Error("the node was ready all the time")
			}
			waitfor.True(t, func() bool {
				_, err := nodes[0].control.JS.KeyValue(t.Context(), kv.Routes)
				return err == nil
			})
			// New ones are heard of as before.
			if err := nodes[0].Blacklist().Put(t.Context(), "later", "", 0); err != nil {
				t.Fatal(err)
			}
			for _, n := range nodes {
				waitfor.True(t, func() bool { return n.Blacklist().Revoked("later", "", time.Time{}) })
			}
		})
	}
}

func openSome(t *testing.T, size int) []*Node {
	if size == 1 {
		return []*Node{open(t, testConfig(t))}
	}
	return openCluster(t, clusterConfigs(t, size, size))
}

// remake replaces the blacklist's stream by another one of its name; update changes
// it afterwards instead.
func remake(t *testing.T, n *Node, change func(*js.StreamConfig), update bool) error {
	t.Helper()
	stream, err := n.control.JS.Stream(t.Context(), kv.Stream(kv.Blacklist))
	if err != nil {
		return err
	}
	cfg := stream.CachedInfo().Config
	if change(&cfg); update {
		_, err = n.control.JS.UpdateStream(t.Context(), cfg)
		return err
	}
	if err := n.control.JS.DeleteStream(t.Context(), kv.Stream(kv.Blacklist)); err != nil {
		return err
	}
	_, err = n.control.JS.CreateStream(t.Context(), cfg)
	if errors.Is(err, js.ErrStreamNameAlreadyInUse) {
		return nil // the node was quicker
	}
	return err
}

// A bucket that was changed, or robbed of entries in a way of which nobody is told,
// is as it was soon after; and streams that are none of ours go.
func TestABucketThatIsMeddledWithIsMended(t *testing.T) {
	slow.Test(t, "watches to notice")
	t.Parallel()
	for name, meddle := range map[string]func(t *testing.T, n *Node) error{
		"changed": func(t *testing.T, n *Node) error {
			stream, err := n.control.JS.Stream(t.Context(), kv.Stream(kv.Blacklist))
			if err != nil {
				return err
			}
			cfg := stream.CachedInfo().Config
			cfg.MaxMsgs = 1
			_, err = n.control.JS.UpdateStream(t.Context(), cfg)
			return err
		},
		"sealed": func(t *testing.T, n *Node) error {
			return remake(t, n, func(cfg *js.StreamConfig) { cfg.Sealed = true }, true)
		},
		"a queue": func(t *testing.T, n *Node) error {
			return remake(t, n, func(cfg *js.StreamConfig) { cfg.Retention = js.WorkQueuePolicy }, false)
		},
		"far ahead": func(t *testing.T, n *Node) error {
			return remake(t, n, func(cfg *js.StreamConfig) { cfg.FirstSeq = 1 << 50 }, false)
		},
		"purged": func(t *testing.T, n *Node) error {
			stream, err := n.control.JS.Stream(t.Context(), kv.Stream(kv.Blacklist))
			if err != nil {
				return err
			}
			return stream.Purge(t.Context())
		},
		"replaced": func(t *testing.T, n *Node) error {
			if err := n.control.JS.DeleteStream(t.Context(), kv.Stream(kv.Routes)); err != nil {
				return err
			}
			_, err := n.control.JS.CreateStream(t.Context(), js.StreamConfig{Name: "EVIL", Subjects: []string{"evil.>"}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := open(t, testConfig(t))
			cuts := revokedSome(t, n)
			waitfor.True(t, func() bool { return cuts(n) == nil })
			if err := meddle(t, n); err != nil {
				t.Fatal(err)
			}
			keepsCutting(t, []*Node{n}, cuts)
			waitfor.True(t, func() bool { // one that is full takes no entry
				return n.Blacklist().Put(t.Context(), "later", "", 0) == nil && inBucket(t, n) == 4
			})
			waitfor.True(t, func() bool {
				_, evil := n.control.JS.Stream(t.Context(), "EVIL")
				_, routes := n.control.JS.KeyValue(t.Context(), kv.Routes)
				return errors.Is(evil, js.ErrStreamNotFound) && routes == nil
			})
		})
	}
}
