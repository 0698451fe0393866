package jetstream

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"weft/config"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// routeUser is the name under which nodes log in to each other.
	routeUser = "weft"
	// A cut node is noticed after routePing × (routePings + 1) at the latest.
	routePing  = 2 * time.Second
	routePings = 2
	// routeRetries is how often a node tries to reach one that it only heard
	// of, a second apart: for as long as it runs.
	routeRetries = 1 << 30
	// lookupTry bounds one look-up of the seeds' names.
	lookupTry = 2 * time.Second
	// meetEvery is how often a node looks who is there.
	meetEvery = 250 * time.Millisecond
)

// replicas is how many copies of stream and buckets there are.
func (c *Config) replicas() int {
	if c.Cluster == nil {
		return 1
	}
	return 3
}

func (c *ClusterConfig) check(bad func(key, format string, args ...any)) {
	if c.Name == "" || strings.ContainsAny(c.Name, " \t\r\n.*>") {
		bad("cluster.name", "%q is no name; use letters, digits, - and _", c.Name)
	}
	switch {
	case c.Size == 2:
		bad("cluster.size", "2 nodes are a trap: when either is lost nothing can be stored; run one standalone node or at least 3")
	case c.Size < 3 || c.Size%2 == 0:
		bad("cluster.size", "%d is not an odd number of at least 3", c.Size)
	}
	if err := config.CheckListen(c.Listen); err != nil {
		bad("cluster.listen", "%v", err)
	}
	if c.Advertise != "" {
		if err := config.CheckListen(c.Advertise); err != nil {
			bad("cluster.advertise", "%v", err)
		}
	}
	if len(c.Seeds) == 0 {
		bad("cluster.seeds", "is empty; name at least one node as host:port")
	}
	for i, s := range c.Seeds {
		key := "cluster.seeds[" + strconv.Itoa(i) + "]"
		if err := config.CheckListen(s); err != nil {
			bad(key, "%v", err)
		} else if strings.HasPrefix(s, ":") {
			bad(key, "%q has no host", s)
		}
	}
	if c.Secret == "" {
		bad("cluster.secret", "is empty; all nodes of a cluster share one")
	}
	if c.TLS != nil && (c.TLS.Cert == "" || c.TLS.Key == "" || c.TLS.CA == "") {
		bad("cluster.tls", "needs cert, key and ca")
	}
	if c.IsolatedFor < 0 {
		bad("cluster.isolated_for", "must not be negative")
	}
}

// clusterOptions adds what makes the server a member of its cluster. routes are
// addresses of nodes, this one's own may be among them.
func (e *embedded) clusterOptions(opts *server.Options, routes []string) error {
	c := e.cfg.Cluster
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	if host == "" {
		host = "0.0.0.0"
	}
	opts.Cluster = server.ClusterOpts{
		Name: c.Name, Host: host, Port: n, Advertise: c.Advertise,
		Username: routeUser, Password: c.Secret,
		// One link between two nodes: a request must not overtake the interest
		// that was sent before it.
		PoolSize:     -1,
		PingInterval: routePing, MaxPingsOut: routePings, WriteDeadline: routePing,
		ConnectRetries: routeRetries,
	}
	if c.TLS != nil {
		if e.links == nil {
			if e.links, err = newLinkTLS(*c.TLS, c.Seeds, e.log); err != nil {
				return err
			}
		}
		opts.Cluster.TLSConfig, opts.Cluster.TLSTimeout = e.links.config(), 5
	}
	e.faults.calls(routes)
	for _, addr := range routes {
		// The password must be in each URL: the options above are only what is
		// asked of others.
		opts.Routes = append(opts.Routes, &url.URL{Scheme: "nats-route", Host: addr, User: url.UserPassword(routeUser, c.Secret)})
	}
	return nil
}

// expand looks up all addresses of the seeds. A name that is unknown is kept:
// it may become known.
func expand(ctx context.Context, seeds []string) []string {
	ctx, cancel := context.WithTimeout(ctx, lookupTry)
	defer cancel()
	var addrs []string
	for _, seed := range seeds {
		host, port, err := net.SplitHostPort(seed)
		if err != nil {
			continue // Check has refused it
		}
		ips, err := net.DefaultResolver.LookupHost(ctx, host)
		if err != nil || len(ips) == 0 {
			addrs = append(addrs, seed)
			continue
		}
		for _, ip := range ips {
			addrs = append(addrs, net.JoinHostPort(ip, port))
		}
	}
	slices.Sort(addrs)
	return slices.Compact(addrs)
}

// routes are the addresses that the server is started with. For a new cluster it
// takes their number for the number of members, and waits for all of them: so
// there are exactly cluster.size, first those that were met. One that is there
// twice does no harm.
//
// A node that was in a cluster before is given the names of the seeds, too,
// which the server looks up for each try: when all nodes start at once, and each
// finds only itself behind a name, they must not stay alone.
func (e *embedded) routes(ctx context.Context) []string {
	addrs := expand(ctx, e.cfg.Cluster.Seeds)
	if e.formed {
		addrs = append(addrs, e.cfg.Cluster.Seeds...)
		slices.Sort(addrs)
		return slices.Compact(addrs)
	}
	addrs = append(slices.Clone(e.met), slices.DeleteFunc(addrs, func(a string) bool { return slices.Contains(e.met, a) })...)
	for i := 0; len(addrs) > 0 && len(addrs) < e.cfg.Cluster.Size; i++ {
		addrs = append(addrs, addrs[i])
	}
	return addrs[:min(len(addrs), e.cfg.Cluster.Size)]
}

// routez are the links to other nodes; none while the server does not run.
func (e *embedded) routez() []*server.RouteInfo {
	srv := e.running()
	if srv == nil {
		return nil
	}
	z, err := srv.Routez(nil)
	if err != nil {
		return nil
	}
	return z.Routes
}

// reached are the addresses of nodes that this one has called.
func (e *embedded) reached() []string {
	var addrs []string
	for _, r := range e.routez() {
		if r.DidSolicit {
			addrs = append(addrs, net.JoinHostPort(r.IP, strconv.Itoa(r.Port)))
		}
	}
	return addrs
}

// peers are the names of the nodes that there is a link to.
func (e *embedded) peers() []string {
	var names []string
	for _, r := range e.routez() {
		names = append(names, r.RemoteName)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// meet waits until cluster.size nodes see each other, so that the cluster they
// form has all of them from the start. The server has no store meanwhile.
func (n *Node) meet(ctx context.Context) error {
	defer n.srv.stop()
	var addrs []string
	said := 0
	for {
		if now := expand(ctx, n.cfg.Cluster.Seeds); n.srv.running() == nil || !slices.Equal(now, addrs) {
			n.srv.stop()
			addrs = now
			if err := n.srv.startBare(addrs); err != nil {
				return err
			}
		}
		met := len(n.srv.peers()) + 1
		if met >= n.cfg.Cluster.Size {
			n.srv.met = n.srv.reached()
			n.log.Info("the nodes have met; forming the cluster", "nodes", met)
			return nil
		}
		if met != said {
			said = met
			n.log.Info("waiting for the other nodes to form the cluster", "nodes", met, "size", n.cfg.Cluster.Size, "seeds", addrs)
		}
		n.waitFor(fmt.Sprintf("waiting for %d nodes to form the cluster; %d are here%s", n.cfg.Cluster.Size, met, n.srv.faults.because()))
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the other nodes: %w", context.Cause(ctx))
		case <-time.After(meetEvery):
		}
	}
}
