package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
)

type options struct {
	wish   addresses // where to listen, if it can be had
	binary string    // a weft binary; empty: build one
}

// A playground is everything that runs: the broker, the Weft node as a child
// process, the publishers and the page.
type playground struct {
	addrs  addresses
	node   *node
	page   *page
	tokens *mint
	close  closers
}

// closers are torn down in reverse.
type closers []func() error

func (c *closers) add(f func() error) { *c = append(*c, f) }

func (c closers) run() error {
	var errs []error
	for i := len(c) - 1; i >= 0; i-- {
		errs = append(errs, c[i]())
	}
	return errors.Join(errs...)
}

// run opens a playground, prints how to use it and blocks until ctx ends, which
// is no error, or a part of it fails.
func run(ctx context.Context, opts options, log *slog.Logger, out io.Writer) (err error) {
	p, err := open(ctx, opts, log, out)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := p.welcome(out); err != nil {
		return err
	}
	return p.Run(ctx)
}

// open starts everything and returns when the node is ready.
func open(ctx context.Context, opts options, log *slog.Logger, out io.Writer) (_ *playground, err error) {
	p := &playground{}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()

	dir, err := os.MkdirTemp("", "weft-playground-")
	if err != nil {
		return nil, fmt.Errorf("create folder: %w", err)
	}
	p.close.add(func() error { return os.RemoveAll(dir) })

	held, err := reserve(opts.wish, out)
	if err != nil {
		return nil, err
	}
	p.close.add(held.Close)
	p.addrs = held.addresses()

	broker, err := openBroker(held.take(addrKafka))
	if err != nil {
		return nil, err
	}
	p.close.add(broker.Close)

	p.tokens = newMint()
	file := filepath.Join(dir, "weft.yaml")
	cfg := nodeConfig(p.addrs, filepath.Join(dir, "data"), p.tokens.secret)
	if err := os.WriteFile(file, []byte(cfg), 0o600); err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}

	binary := opts.binary
	if binary == "" {
		fmt.Fprintln(out, "Building weft …")
		binary = filepath.Join(dir, "weft")
		if err := build(ctx, binary); err != nil {
			return nil, err
		}
	}
	held.release(addrPublic, addrAdmin, addrNATS)
	p.node, err = startNode(ctx, binary, file, p.addrs, out)
	if err != nil {
		return nil, err
	}
	p.close.add(p.node.Close)
	if err := p.node.awaitReady(ctx); err != nil {
		return nil, err
	}

	pub, err := openPublisher(p.addrs)
	if err != nil {
		return nil, err
	}
	p.close.add(pub.Close)

	p.page = newPage(p.addrs, maskSecret(cfg, p.tokens.secret), p.tokens, pub, log)
	ln := held.take(addrPage)
	p.close.add(func() error { return p.page.Close() })
	p.page.serve(ln)
	return p, nil
}

// Run blocks until ctx ends or the node or the page does.
func (p *playground) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-p.node.done:
		return fmt.Errorf("weft ended: %w", p.node.err())
	case err := <-p.page.failed:
		return fmt.Errorf("serve page: %w", err)
	}
}

// Close ends the child process and removes the folder. It may be called twice.
func (p *playground) Close() error {
	c := p.close
	p.close = nil
	return c.run()
}
