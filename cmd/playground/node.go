package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const (
	// readyWithin bounds how long the node may take to become ready.
	readyWithin = 30 * time.Second
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
	admin string
	http  *http.Client
	stop  context.CancelFunc
	done  chan struct{} // closed when the process has ended
	ended error         // set before done is closed
}

// startNode runs binary with the configuration in file; its log goes to out,
// line by line, marked as weft's. It must be ended by Close.
func startNode(ctx context.Context, binary, file string, a addresses, out io.Writer) (*node, error) {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	cmd := exec.CommandContext(ctx, binary, "serve", "--config", file)
	cmd.SysProcAttr = childAttr()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = endWithin
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		stop()
		return nil, fmt.Errorf("start weft: %w", err)
	}
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		mark(out, r)
	}()
	n := &node{admin: a.Admin, http: &http.Client{Timeout: time.Second}, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(n.done)
		n.ended = cmd.Wait()
		_ = w.Close() // a pipe in memory: it cannot fail
		<-logged
	}()
	return n, nil
}

// mark copies r to w with a mark before each line.
func mark(w io.Writer, r io.Reader) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		fmt.Fprintf(w, "weft │ %s\n", s.Bytes())
	}
	_, _ = io.Copy(io.Discard, r) // a line too long must not block the node
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
		case <-n.done:
			return fmt.Errorf("start weft: %w", n.err())
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

// err says how the process ended, after done is closed.
func (n *node) err() error {
	if n.ended == nil {
		return errors.New("exit status 0")
	}
	return n.ended
}

// Close ends the process and waits for it. It may be called twice.
func (n *node) Close() error {
	n.stop()
	<-n.done
	n.http.CloseIdleConnections()
	return nil
}
