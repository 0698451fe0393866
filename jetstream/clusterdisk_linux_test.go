package jetstream

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"weft/config/testkit/waitfor"
	"weft/jetstream/api"
	"weft/jetstream/event"
	"weft/jetstream/server"
)

// smallDisk mounts a file system of the size in bytes until the test ends.
func smallDisk(t *testing.T, size int64) string {
	t.Helper()
	path := t.TempDir()
	if err := syscall.Mount("weft-test", path, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Skipf("mount a small disk: %v: run the tests as root to have this one", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(path, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", path, err)
		}
	})
	return path
}

// fillDisk writes until there is no space left.
func fillDisk(t *testing.T, path string) (free func()) {
	t.Helper()
	ballast := filepath.Join(path, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 1<<16); len(block) > 0; {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			block = block[:len(block)/2]
		} else if err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}
}

// leads reports whether n leads the stream.
func leads(t *testing.T, n *Node) bool {
	t.Helper()
	st, err := n.Store().State(t.Context())
	return err == nil && st.Leader == n.Name()
}

// A node whose disk is full to the last byte refuses events; the others go on,
// also when it led the stream. With space again it comes back by itself and has
// everything.
func TestANodeWhoseDiskWasFullCatchesUpByItself(t *testing.T) {
	t.Parallel()
	configs := clusterConfigs(t, 3, 3)
	for i := range configs {
		configs[i].Node.DataDir = smallDisk(t, 96<<20)
		configs[i].Node.MinFree = 16 << 20
		configs[i].Events.MaxBytes = 32 << 20
	}
	nodes := openCluster(t, configs)
	full := -1
	waitfor.True(t, func() bool {
		for i, n := range nodes {
			if leads(t, n) {
				full = i
			}
		}
		return full >= 0
	})
	sick, well := nodes[full], nodes[(full+1)%3]
	stored := 0
	store := func(n int) {
		t.Helper()
		for until := stored + n; stored < until; {
			e := event.Event{Subject: fmt.Sprintf("user.u%d", stored), Data: make([]byte, 1000), ID: event.Operators.KeyID("disk", stored)}
			if _, err := well.Store().Publish(t.Context(), e); err == nil {
				stored++
			} else if !errors.Is(err, api.ErrUnavailable) {
				t.Fatal(err)
			}
		}
	}
	store(50)
	free := fillDisk(t, configs[full].Node.DataDir)
	waitfor.True(t, func() bool {
		_, err := sick.Store().Publish(t.Context(), event.Event{Subject: "user.ann"})
		return errors.Is(err, api.ErrDiskFull)
	})
	// More than its files can take without growing.
	store(2000)
	waitfor.True(t, func() bool { return !sick.srv.HasStore() })
	if _, err := well.Store().Publish(t.Context(), event.Event{Subject: "user.ann"}); err != nil {
		t.Error(err)
	}
	free()
	begun := time.Now()
	waitfor.True(t, func() bool {
		_, err := sick.Store().Publish(t.Context(), event.Event{Subject: "user.bob"})
		return err == nil
	})
	waitfor.True(t, func() bool { return sick.srv.HasStore() && sick.Cluster().Current(t.Context()) == nil })
	t.Logf("back %v after there was space", time.Since(begun).Round(time.Second))
	head, err := well.Store().State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	waitfor.True(t, func() bool { return localState(t, sick).LastSeq >= head.Last })
	waitfor.True(t, func() bool { return sick.Ready() == nil })
}

// localState is that of a node's own copy of the stream.
func localState(t *testing.T, n *Node) (st natsserver.StreamState) {
	t.Helper()
	system, err := n.srv.Connect(server.SystemUser, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer system.Close()
	m, err := system.Request("$SYS.REQ.SERVER."+n.srv.ID()+".JSZ", []byte(`{"streams":true}`), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var resp struct {
		Data natsserver.JSInfo `json:"data"`
	}
	if err := json.Unmarshal(m.Data, &resp); err != nil {
		t.Fatal(err)
	}
	for _, acc := range resp.Data.AccountDetails {
		for _, s := range acc.Streams {
			if s.Name == event.StreamName {
				st = s.State
			}
		}
	}
	return st
}
