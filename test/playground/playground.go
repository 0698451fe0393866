package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

type options struct {
	wish    addresses         // where to listen, if it can be had
	members []memberAddresses // the nodes of a cluster; none: one standalone node
	binary  string            // a weft binary; empty: build one
	life    time.Duration     // of a page's tokens; 0: half a minute
}

// A playground is everything that runs: the broker, Weft as child processes,
// the publishers and the page.
type playground struct {
	addrs   addresses
	cluster *cluster // nil with one node
	page    *page
	tokens  *mint
	// networks are between the users and the node, by user; none in a cluster.
	networks map[string]*network
	close    closers
	failed   chan error // gets the error of a part that ended by itself

	dir    string
	binary string
	log    *slog.Logger
	out    io.Writer
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

// lines lets several processes write to one writer.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
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
	if err := p.welcome(); err != nil {
		return err
	}
	return p.Run(ctx)
}

// open starts everything and returns when all nodes are ready.
func open(ctx context.Context, opts options, log *slog.Logger, out io.Writer) (_ *playground, err error) {
	p := &playground{tokens: newMint(), failed: make(chan error, 1), log: log, out: &lines{w: out}}
	p.tokens.life = cmp.Or(opts.life, shortLife)
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if p.dir, err = os.MkdirTemp("", "weft-playground-"); err != nil {
		return nil, fmt.Errorf("create folder: %w", err)
	}
	p.close.add(func() error { return os.RemoveAll(p.dir) })
	if len(opts.members) > 0 {
		return p, p.openCluster(ctx, opts)
	}
	return p, p.openNode(ctx, opts)
}

// openBroker starts the Kafka broker.
func (p *playground) openBroker(held *reserved) error {
	broker, err := openBroker(held.take(addrKafka))
	if err != nil {
		return err
	}
	p.close.add(broker.Close)
	return nil
}

// write writes the configuration of a node, and returns the file's name.
func (p *playground) write(cfg nodeConfig) (string, error) {
	file := filepath.Join(p.dir, cfg.name+".yaml")
	if err := os.WriteFile(file, []byte(cfg.String()), 0o600); err != nil {
		return "", fmt.Errorf("write configuration: %w", err)
	}
	return file, nil
}

// findBinary takes the weft binary that was named, or builds one.
func (p *playground) findBinary(ctx context.Context, path string) error {
	if p.binary = path; path != "" {
		return nil
	}
	fmt.Fprintln(p.out, "Building weft …")
	p.binary = filepath.Join(p.dir, "weft")
	return build(ctx, p.binary)
}

// openPage connects the publishers and serves the page.
func (p *playground) openPage(held *reserved, config string) error {
	pub, err := openPublisher(p.addrs)
	if err != nil {
		return err
	}
	p.close.add(pub.Close)
	p.page = newPage(p.addrs, config, p.tokens, pub, p.log)
	p.page.networks = p.networks
	if p.cluster != nil {
		p.page.users, p.page.cluster = clusterUsers, p.cluster
		p.cluster.run(pub, p.log)
		p.close.add(p.cluster.rest)
	}
	p.close.add(p.page.Close)
	p.page.serve(held.take(addrPage), p.fail)
	return nil
}

// A process is a child that should not end before the playground does.
type process interface {
	Done() <-chan struct{}
	Err() error
}

// watch makes the end of a process that of the playground.
func (p *playground) watch(name string, c process) {
	go func() {
		<-c.Done()
		p.fail(fmt.Errorf("%s ended: %w", name, c.Err()))
	}()
}

// fail ends the playground; of several errors the first counts.
func (p *playground) fail(err error) {
	select {
	case p.failed <- err:
	default:
	}
}

// Run blocks until ctx ends or a part of the playground does.
func (p *playground) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-p.failed:
		return err
	}
}

// Close ends the child processes and removes the folder. It may be called twice.
func (p *playground) Close() error {
	c := p.close
	p.close = nil
	return c.run()
}

// welcome prints where the page is and how to do the same by hand.
func (p *playground) welcome() error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n  Weft is ready. Open  http://%s\n\n", p.addrs.Page)
	if p.cluster != nil {
		p.cluster.welcome(&b, p.addrs)
	} else if err := p.welcomeToOne(&b); err != nil {
		return err
	}
	b.WriteString("\n  Ctrl-C ends everything and leaves nothing behind.\n\n")
	_, err := io.WriteString(p.out, b.String())
	return err
}
