package server

import (
	"context"
	"net"
	"net/url"
	"slices"
	"strconv"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
)

const (
	// routeUser is the name under which nodes log in to each other.
	routeUser = "weft"
	// A link is given up when routePings questions in a row stay unanswered: two to two
	// and a half seconds after the other node's last word. That is a little longer than
	// an election takes, so that a node that is cut off does not go on for long with what
	// only the new leader can answer. Few questions farther apart would be as quick in
	// the mean and miss more by chance.
	routePing  = 500 * time.Millisecond
	routePings = 4
	// routeWrite is how long a link may take not a byte before it is given up.
	routeWrite = 2 * time.Second
	// catchUpUnderWay is how many bytes may be on their way at once to nodes that lack them.
	// Questions and answers of a link wait behind these, so that it would be given up
	// for want of an answer over a network that takes longer for them than routePings
	// allow: less than 10 Mbit/s. nats-server has 64 MB.
	catchUpUnderWay = 2 << 20
	// routeRetries is how often a node tries to reach one that it only heard
	// of, a second apart: for as long as it runs.
	routeRetries = 1 << 30
)

// clusterOptions adds what makes the server a member of its cluster. routes are
// addresses of nodes, this one's own may be among them.
func (s *Server) clusterOptions(opts *natsserver.Options, routes []string) error {
	c := s.cfg.Cluster
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
	opts.Cluster = natsserver.ClusterOpts{
		Name: c.Name, Host: host, Port: n, Advertise: c.Advertise,
		Username: routeUser, Password: c.Secret,
		// One link between two nodes: a request must not overtake the interest
		// that was sent before it.
		PoolSize:     -1,
		PingInterval: routePing, MaxPingsOut: routePings, WriteDeadline: routeWrite,
		ConnectRetries: routeRetries,
	}
	if c.TLS != nil {
		if s.links == nil {
			if s.links, err = newLinkTLS(*c.TLS, c.Seeds, s.log); err != nil {
				return err
			}
		}
		opts.Cluster.TLSConfig, opts.Cluster.TLSTimeout = s.links.config(), 5
	}
	s.faults.calls(routes)
	for _, addr := range routes {
		// The password must be in each URL: the options above are only what is
		// asked of others.
		opts.Routes = append(opts.Routes, &url.URL{Scheme: "nats-route", Host: addr, User: url.UserPassword(routeUser, c.Secret)})
	}
	return nil
}

// routes are the addresses that the server is started with. For a new cluster it
// takes their number for the number of members, and waits for all of them: so
// there are exactly cluster.size, first those that were met. One that is there
// twice does no harm.
//
// A node that was in a cluster before is given the names of the seeds, too,
// which the server looks up for each try: when all nodes start at once, and each
// finds only itself behind a name, they must not stay alone.
func (s *Server) routes(ctx context.Context) []string {
	addrs := expand(ctx, s.cfg.Cluster.Seeds)
	if s.formed {
		addrs = append(addrs, s.cfg.Cluster.Seeds...)
		slices.Sort(addrs)
		return slices.Compact(addrs)
	}
	addrs = append(slices.Clone(s.met), slices.DeleteFunc(addrs, func(a string) bool { return slices.Contains(s.met, a) })...)
	for i := 0; len(addrs) > 0 && len(addrs) < s.cfg.Cluster.Size; i++ {
		addrs = append(addrs, addrs[i])
	}
	return addrs[:min(len(addrs), s.cfg.Cluster.Size)]
}
