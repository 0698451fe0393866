package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
)

// openNode starts a playground with one node.
func (p *playground) openNode(ctx context.Context, opts options) error {
	held, err := reserve(opts.wish.wishes(), p.out)
	if err != nil {
		return err
	}
	p.close.add(held.Close)
	p.addrs = held.addresses()
	if err := p.openBroker(held); err != nil {
		return err
	}
	cfg := nodeConfig{name: "playground", dataDir: filepath.Join(p.dir, "data"), addrs: p.addrs, secret: p.tokens.secret, life: p.tokens.life}
	file, err := p.write(cfg)
	if err != nil {
		return err
	}
	if err := p.findBinary(ctx, opts.binary); err != nil {
		return err
	}
	held.release(addrPublic, addrAdmin, addrNATS)
	n, err := startNode("weft", p.binary, file, p.addrs.Admin, p.out)
	if err != nil {
		return err
	}
	p.close.add(n.Close)
	p.watch("weft", n)
	if err := n.awaitReady(ctx); err != nil {
		return err
	}
	shop, err := openShop(p.addrs, held.take(addrShop), p.log)
	if err != nil {
		return err
	}
	p.close.add(shop.Close)
	if err := p.openNetworks(); err != nil {
		return err
	}
	return p.openPage(held, cfg.masked())
}

// openNetworks puts a network between each user and the node.
func (p *playground) openNetworks() error {
	p.networks = map[string]*network{}
	for _, user := range users {
		n, err := openNetwork(p.addrs.Public, p.log, p.fail)
		if err != nil {
			return err
		}
		p.close.add(n.Close)
		p.networks[user] = n
	}
	return nil
}

// welcomeToOne tells where everything is, and the commands that do by hand what
// the page does.
func (p *playground) welcomeToOne(w io.Writer) error {
	fmt.Fprintf(w, "  public http://%s   admin http://%s   NATS %s   Kafka %s\n", p.addrs.Public, p.addrs.Admin, p.addrs.NATS, p.addrs.Kafka)
	t, err := p.tokens.issue(users[0], longLife)
	if err != nil {
		return err
	}
	fmt.Fprint(w, "\n  The same by hand, each in a terminal of its own:\n")
	for _, c := range commands(p.addrs, t) {
		fmt.Fprintf(w, "\n  # %s\n  %s\n", c.Title, c.Run)
	}
	return nil
}
