// Package test holds the end-to-end tests: the built weft binary, a real Apache
// Kafka and a real Chromium, seen from outside. It imports none of Weft's rooms.
//
// WEFT_BINARY names the binary to test; without it one is built. WEFT_CACHE is the
// folder that keeps Kafka's jars. WEFT_CHAOS=full runs the long form of the chaos
// test.
package test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/browser"
	"weft/test/client"
	"weft/test/stage"
)

func TestMain(m *testing.M) {
	code := m.Run()
	closeShared()
	stage.RemoveBinary()
	os.Exit(code)
}

// shared is what all tests use together because it is slow to start. Tests that
// kill a broker have one of their own.
var shared struct {
	sync.Mutex
	broker  *stage.Kafka
	folder  string
	browser browser.Shared
	closers []func()
}

func closeShared() {
	shared.Lock()
	defer shared.Unlock()
	for _, f := range shared.closers {
		f()
	}
	shared.browser.Close()
}

// broker returns the Kafka that all tests share.
func broker(t testing.TB) *stage.Kafka {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.broker == nil {
		folder, err := os.MkdirTemp("", "weft-kafka-")
		if err != nil {
			t.Fatal(err)
		}
		shared.closers = append(shared.closers, func() { os.RemoveAll(folder) })
		k, err := startKafka(folder)
		if err != nil {
			t.Fatal(err)
		}
		shared.broker = k
		shared.closers = append([]func(){k.Kill}, shared.closers...)
	}
	return shared.broker
}

func startKafka(folder string) (*stage.Kafka, error) {
	// The first time, the jars are fetched.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	return stage.NewKafka(ctx, folder)
}

// ownBroker returns a Kafka that ends with the test.
func ownBroker(t testing.TB) *stage.Kafka {
	t.Helper()
	k, err := startKafka(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Kill)
	return k
}

// chromium returns the browser that all tests share.
func chromium(t testing.TB) *browser.Browser {
	t.Helper()
	return shared.browser.Get(t)
}

// soon bounds the wait for something that should come at once. It is generous:
// the machine may be busy.
func soon(t testing.TB) context.Context {
	return within(t, time.Minute)
}

func within(t testing.TB, limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

// eventually asks until the answer is yes, and fails the test after the limit
// with what was hoped for.
func eventually(t testing.TB, limit time.Duration, hope string, yes func() bool) {
	t.Helper()
	waitfor.Within(t, limit, hope, yes)
}

// record follows a user's events until the test ends. It returns when the
// connection is open.
func record(t testing.TB, kind client.Transport, target client.Target) *client.Recorder {
	t.Helper()
	r, err := client.Record(context.Background(), kind, target)
	if err != nil {
		t.Fatalf("connect over %s: %v", kind, err)
	}
	t.Cleanup(r.Close)
	// A poll that resumes answers only when there is something to tell.
	if kind != client.Poll || target.LastID == "" {
		if _, err := r.AwaitType(soon(t), client.TypeOpen); err != nil {
			t.Fatalf("wait for weft.open over %s: %v", kind, err)
		}
	}
	return r
}

// awaitEvents waits for n events and fails when there are other ones.
func awaitEvents(t testing.TB, r *client.Recorder, n int) []client.Event {
	t.Helper()
	events, err := r.AwaitEvents(soon(t), n)
	if err != nil {
		t.Fatalf("wait for %d events: %v; have %s", n, err, describe(r.All()))
	}
	if len(events) > n {
		t.Fatalf("%d events, want %d: %s", len(events), n, describe(events))
	}
	return events
}

func describe(events []client.Event) string {
	s := ""
	for _, e := range events {
		s += fmt.Sprintf("\n  id %q type %q data %.60q", e.ID, e.Type, e.Data)
	}
	return s
}
