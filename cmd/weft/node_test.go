package main

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"weft/cmd/weft/settings"
	"weft/edge/auth"
)

func forcedCollections() uint32 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.NumForcedGC
}

// connect opens connections for events and waits until each is told that it is open.
func connect(t *testing.T, address string, count int) {
	t.Helper()
	for i := range count {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "GET /_weft/v1/events?user=u%d HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n", i)
		for lines := bufio.NewScanner(c); ; {
			if !lines.Scan() {
				t.Fatalf("connection %d ended: %v", i, lines.Err())
			}
			if strings.Contains(lines.Text(), "weft.open") {
				break
			}
		}
	}
}

func TestTheHeapIsTrimmedUnlessThatIsSwitchedOff(t *testing.T) {
	for _, trim := range []bool{true, false} {
		cfg := settings.Default()
		cfg.Node.DataDir, cfg.Node.Listen = t.TempDir(), "127.0.0.1:0"
		cfg.Public.Listen, cfg.Admin.Listen, cfg.Auth.Mode = "127.0.0.1:0", "127.0.0.1:0", auth.ModeNone
		cfg.Public.DrainDelay, cfg.Public.DrainWindow = 0, 0
		cfg.Tuning.TrimHeap = trim
		ctx, cancel := context.WithCancel(context.Background())
		n, err := openNode(ctx, &cfg, slog.New(slog.DiscardHandler), cancel)
		if err != nil {
			t.Fatal(err)
		}
		ran := make(chan error, 1)
		go func() { ran <- n.run(ctx) }()
		before := forcedCollections()
		connect(t, n.edge.PublicAddr().String(), 128)
		for deadline := time.Now().Add(time.Minute); trim && forcedCollections() == before; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("nothing is collected for the first connections")
			}
		}
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		if err := n.close(); err != nil {
			t.Error(err)
		}
		if more := forcedCollections() - before; !trim && more > 0 {
			t.Errorf("%d collections with tuning.trim_heap false", more)
		}
	}
}
