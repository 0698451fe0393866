package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"time"

	"weft/test/playground/child"
)

const (
	// readyWithin bounds how long nodes may take to become ready; those of a
	// cluster meet and elect a leader first.
	readyWithin = time.Minute
	// endWithin is how long the node gets to say goodbye before it is killed.
	// Its folder goes with it, so there is nothing that a longer wait would save.
	endWithin = 3 * time.Second
)

// build compiles the weft binary of this module to path.
func build(ctx context.Context, path string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "weft/cmd/weft")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return &hintError{
			fmt.Errorf("build weft: %w\n%s", err, out),
			"run it from the repository, with go on the PATH; or name a binary with -weft",
		}
	}
	return nil
}

// A node is a running weft process.
type node struct {
	*child.Process
	admin string
	http  *http.Client
}

// startNode runs binary with the configuration in file; its log goes to out,
// line by line, marked with name. It must be ended by Close.
func startNode(name, binary, file, admin string, out io.Writer) (*node, error) {
	p, err := child.Start(name, out, binary, "serve", "--config", file)
	if err != nil {
		return nil, err
	}
	return &node{Process: p, admin: admin, http: &http.Client{Timeout: time.Second}}, nil
}

// awaitReady blocks until the node says that it is ready.
func (n *node) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		if n.ready(ctx) {
			return nil
		}
		select {
		case <-again.C:
		case <-n.Done():
			return fmt.Errorf("start weft: %w", n.Err())
		case <-ctx.Done():
			return fmt.Errorf("wait for weft to be ready: %w", ctx.Err())
		}
	}
}

func (n *node) ready(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.admin+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := n.http.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close() // only the status counts
	return resp.StatusCode == http.StatusOK
}

// Close ends the process and waits for it. It may be called twice.
func (n *node) Close() error {
	n.End(endWithin)
	n.http.CloseIdleConnections()
	return nil
}
