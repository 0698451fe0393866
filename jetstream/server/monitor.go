package server

import (
	"crypto/sha256"
	"maps"
	"net"
	"slices"
	"strconv"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
)

// metaRaft is what the servers call the Raft group of the members (nats-server,
// defaultMetaGroupName in server/jetstream_cluster.go).
const metaRaft = "_meta_"

// HasStore reports whether the server runs with its store.
func (s *Server) HasStore() bool {
	srv := s.running()
	return srv != nil && srv.JetStreamEnabled()
}

// Members is the size of the cluster as its members agree, at least min.
func (s *Server) Members(min int) int {
	srv := s.running()
	if srv == nil {
		return min
	}
	z, err := srv.Jsz(nil)
	if err != nil || z.Meta == nil {
		return min
	}
	return max(min, z.Meta.Size)
}

// ID is by which the servers know this one for as long as it runs; "none" when none
// does.
func (s *Server) ID() string {
	if srv := s.running(); srv != nil {
		return srv.ID()
	}
	return "none"
}

// Absent are the peer ids of the members that there is no link to, on the node
// that leads the cluster; none on others.
func (s *Server) Absent() []string {
	srv := s.running()
	if srv == nil {
		return nil
	}
	z, err := srv.Jsz(nil)
	if err != nil || z.Meta == nil || z.Meta.Leader != s.cfg.Node.Name {
		return nil
	}
	linked := map[string]bool{}
	for _, name := range s.Peers() {
		linked[PeerID(name)] = true
	}
	var ids []string
	for _, p := range z.Meta.Replicas {
		if !linked[p.Peer] {
			ids = append(ids, p.Peer)
		}
	}
	return ids
}

// MemberPeers are the peer ids of the other members with the names that the server
// knows of them; nil when it has no store, or runs alone.
func (s *Server) MemberPeers() map[string]string {
	srv := s.running()
	if srv == nil || s.cfg.Cluster == nil {
		return nil
	}
	z := srv.Raftz(&natsserver.RaftzOptions{GroupFilter: metaRaft})
	if z == nil {
		return nil
	}
	for _, groups := range *z {
		if meta, ok := groups[metaRaft]; ok {
			peers := make(map[string]string, len(meta.Peers))
			for id, p := range meta.Peers {
				peers[id] = p.Name
			}
			return peers
		}
	}
	return nil
}

// PeerID is how the servers call a node in their Raft groups (nats-server,
// getHash in server/events.go).
func PeerID(name string) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum := sha256.Sum256([]byte(name))
	id := sum[:8]
	for i, b := range id {
		id[i] = digits[int(b)%len(digits)]
	}
	return string(id)
}

// routesOf are a server's links to other nodes; none while it does not run.
func routesOf(srv *natsserver.Server) []*natsserver.RouteInfo {
	if srv == nil {
		return nil
	}
	z, err := srv.Routez(nil)
	if err != nil {
		return nil
	}
	return z.Routes
}

// reached are the addresses of nodes that a server has called.
func reached(srv *natsserver.Server) []string {
	var addrs []string
	for _, r := range routesOf(srv) {
		if r.DidSolicit {
			addrs = append(addrs, net.JoinHostPort(r.IP, strconv.Itoa(r.Port)))
		}
	}
	return addrs
}

// A Link is one to another node.
type Link struct {
	ID uint64 // tells it from an earlier one to the same node
	IP string // where its other end is
}

// LinksOf are a server's links to other nodes by their names.
func LinksOf(s *Server) map[string]Link {
	links := map[string]Link{}
	for _, r := range routesOf(s.running()) {
		if l, ok := links[r.RemoteName]; !ok || l.ID < r.Rid {
			links[r.RemoteName] = Link{r.Rid, r.IP}
		}
	}
	return links
}

// IsMember reports whether another node is a member of the cluster, as far as a server
// knows.
func IsMember(s *Server, name string) bool {
	_, ok := s.MemberPeers()[PeerID(name)]
	return ok
}

// Peers are the names of the nodes that there is a link to, in order.
func (s *Server) Peers() []string {
	var names []string
	for _, r := range routesOf(s.running()) {
		names = append(names, r.RemoteName)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// LinkedSince is since when there have been links to so many other nodes; the zero time
// when there are not.
func LinkedSince(s *Server, nodes int) time.Time {
	made := map[string]time.Time{}
	for _, r := range routesOf(s.running()) {
		if t, ok := made[r.RemoteName]; !ok || r.Start.After(t) {
			made[r.RemoteName] = r.Start
		}
	}
	times := slices.SortedFunc(maps.Values(made), time.Time.Compare)
	if nodes < 1 || nodes > len(times) {
		return time.Time{}
	}
	return times[nodes-1]
}
