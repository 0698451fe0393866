package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"weft/test/freeport"
)

func TestMain(m *testing.M) {
	testscript.Main(leakCheck{m}, map[string]func(){"weft": main})
}

// leakCheck fails a run of tests that leaves goroutines behind.
type leakCheck struct{ m *testing.M }

func (c leakCheck) Run() int {
	code := c.m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// Scripts are sessions at a terminal: testdata/*.txtar. PUBLIC, ADMIN and NATS
// are free addresses; "await URL" waits until it answers 200,
// and "let NAME" gives NAME the first word of what the last command printed.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		// A command that hangs, waiting for an event, say, is shown with its log.
		Deadline: time.Now().Add(90 * time.Second),
		Setup: func(e *testscript.Env) error {
			// A program with the race detector else waits a second at its end.
			e.Setenv("GORACE", "atexit_sleep_ms=0")
			for _, name := range []string{"PUBLIC", "ADMIN", "NATS"} {
				address, err := freeAddress()
				if err != nil {
					return err
				}
				e.Setenv(name, address)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"await": await, "let": let},
	})
}

func let(ts *testscript.TestScript, _ bool, args []string) {
	words := strings.Fields(ts.ReadFile("stdout"))
	if len(args) != 1 || len(words) == 0 {
		ts.Fatalf("usage: let NAME, after a command that printed something")
	}
	ts.Setenv(args[0], words[0])
}

func freeAddress() (string, error) {
	list, err := freeport.Addresses("127.0.0.1", 1)
	if err != nil {
		return "", err
	}
	return list[0], nil
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await URL")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	defer http.DefaultClient.CloseIdleConnections()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, args[0], nil)
		ts.Check(err)
		if res, err := http.DefaultClient.Do(req); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			ts.Fatalf("%s does not answer 200", args[0])
		}
	}
}
