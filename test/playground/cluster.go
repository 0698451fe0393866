package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
)

// clusterUsers are those to whom the events of a cluster's playground flow.
var clusterUsers = []string{"ann", "bob", "cat", "dan"}

// memberAddresses says where a node of a cluster is reached.
type memberAddresses struct{ Name, Public, Admin, NATS, Cluster string }

// usualMembers are where the documentation has the nodes of a cluster.
func usualMembers(n int) []memberAddresses {
	var all []memberAddresses
	for i := range n {
		at := func(base int) string { return fmt.Sprintf("127.0.0.1:%d", base+i+1) }
		all = append(all, memberAddresses{
			Name: fmt.Sprintf("n%d", i+1), Public: at(4000), Admin: at(4010), NATS: at(4220), Cluster: at(6220),
		})
	}
	return all
}

// names of the addresses of a member, as reserve takes them.
func (m memberAddresses) names() []wish {
	return []wish{
		{m.Name + ", public", m.Public}, {m.Name + ", admin", m.Admin},
		{m.Name + ", NATS", m.NATS}, {m.Name + ", cluster", m.Cluster},
	}
}

// got is where the member listens, of all that was reserved.
func (m memberAddresses) got(r *reserved) memberAddresses {
	return memberAddresses{
		Name: m.Name, Public: r.at[m.Name+", public"], Admin: r.at[m.Name+", admin"],
		NATS: r.at[m.Name+", NATS"], Cluster: r.at[m.Name+", cluster"],
	}
}

// What listens for the balancer.
const (
	addrBalancer      = "balancer, public"
	addrBalancerAdmin = "balancer, admin"
)

// A cluster is the nodes, what they say of themselves, and the events that flow
// through them.
type cluster struct {
	members []*member
	roster  *roster
	flow    *flow
	end     context.CancelFunc
	running sync.WaitGroup
}

// openCluster starts a playground with several nodes behind a balancer.
func (p *playground) openCluster(ctx context.Context, opts options) error {
	haproxy, err := findHAProxy(haproxyNames...)
	if err != nil {
		return err
	}
	wishes := []wish{
		{addrPage, opts.wish.Page}, {addrBalancer, opts.wish.Public}, {addrBalancerAdmin, opts.wish.Admin}, {addrKafka, opts.wish.Kafka},
	}
	for _, m := range opts.members {
		wishes = append(wishes, m.names()...)
	}
	held, err := reserve(wishes, p.out)
	if err != nil {
		return err
	}
	p.close.add(held.Close)
	var members []memberAddresses
	var nats, seeds []string
	for _, m := range opts.members {
		m = m.got(held)
		members, nats, seeds = append(members, m), append(nats, m.NATS), append(seeds, m.Cluster)
	}
	p.addrs = addresses{
		Page: held.at[addrPage], Public: held.at[addrBalancer], Admin: held.at[addrBalancerAdmin],
		NATS: strings.Join(nats, ","), Kafka: held.at[addrKafka],
	}
	if err := p.openBroker(held); err != nil {
		return err
	}
	if err := p.findBinary(ctx, opts.binary); err != nil {
		return err
	}
	p.cluster = &cluster{}
	config, err := p.startMembers(ctx, held, members, seeds)
	if err != nil {
		return err
	}
	held.release(addrBalancer, addrBalancerAdmin)
	b, err := startBalancer(ctx, haproxy, p.dir, p.addrs, members, p.out)
	if err != nil {
		return err
	}
	p.close.add(b.Close)
	p.watch("haproxy", b)
	return p.openPage(held, config)
}

// startMembers starts all nodes, waits until they are ready and returns the
// configuration of the first one, secrets masked.
func (p *playground) startMembers(ctx context.Context, held *reserved, members []memberAddresses, seeds []string) (string, error) {
	c, secret := p.cluster, rand.Text()
	p.close.add(c.Close)
	var shown string
	for _, m := range members {
		cfg := nodeConfig{
			name: m.Name, dataDir: filepath.Join(p.dir, m.Name), secret: p.tokens.secret,
			addrs:   addresses{Page: p.addrs.Page, Public: m.Public, Admin: m.Admin, NATS: m.NATS, Kafka: p.addrs.Kafka},
			cluster: &clusterConfig{listen: m.Cluster, seeds: seeds, secret: secret},
		}
		file, err := p.write(cfg)
		if err != nil {
			return "", err
		}
		if shown == "" {
			shown = cfg.masked()
		}
		for _, w := range m.names() {
			held.release(w.name)
		}
		one := newMember(m, p.binary, file, p.out)
		c.members = append(c.members, one)
		if err := one.do(doStart); err != nil {
			return "", err
		}
	}
	for _, m := range c.members {
		if err := m.awaitReady(ctx); err != nil {
			return "", fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return shown, nil
}

// run lets events flow by way of pub and asks the nodes how they are, until rest
// is called.
func (c *cluster) run(pub roads, log *slog.Logger) {
	ctx, cancel := context.WithCancel(context.Background())
	c.end = cancel
	c.flow, c.roster = newFlow(pub, clusterUsers, log), newRoster(c.members)
	c.running.Go(func() { c.flow.run(ctx) })
	c.running.Go(func() { c.roster.run(ctx) })
}

// rest ends what run began. It may be called twice.
func (c *cluster) rest() error {
	c.end()
	c.running.Wait()
	return nil
}

// member returns the node of that name, nil when there is none.
func (c *cluster) member(name string) *member {
	for _, m := range c.members {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// Close kills all nodes. It may be called twice.
func (c *cluster) Close() error {
	var all sync.WaitGroup
	errs := make([]error, len(c.members))
	for i, m := range c.members {
		all.Go(func() { errs[i] = m.Close() })
	}
	all.Wait()
	return errors.Join(errs...)
}

// welcome tells where everything is and what to try.
func (c *cluster) welcome(w io.Writer, a addresses) {
	fmt.Fprintf(w, "  balancer   public http://%s   admin http://%s   Kafka %s\n", a.Public, a.Admin, a.Kafka)
	for _, m := range c.members {
		fmt.Fprintf(w, "  %s         public http://%s   admin http://%s   NATS %s\n", m.Name, m.Public, m.Admin, m.NATS)
	}
	fmt.Fprintf(w, `
  Kill the leader on the page, see the silence, and see everything arrive once
  and in order. Or by hand, each in a terminal of its own:

  # What the nodes say of each other
  bin/weft cluster status --admin http://%[1]s
  # What the balancer asks each of them
  curl http://%[2]s/readyz
  # A crash
  kill -9 <the number of a process on the page>
`, a.Admin, c.members[0].Admin)
}
