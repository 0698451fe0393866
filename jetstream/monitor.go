package jetstream

import (
	"crypto/sha256"
	"net"
	"slices"
	"strconv"

	natsserver "github.com/nats-io/nats-server/v2/server"
)

// metaRaft is what the servers call the Raft group of the members (nats-server,
// defaultMetaGroupName in server/jetstream_cluster.go).
const metaRaft = "_meta_"

// hasStore reports whether the server runs with its store.
func (e *embedded) hasStore() bool {
	srv := e.running()
	return srv != nil && srv.JetStreamEnabled()
}

// members is the size of the cluster as its members agree, at least min.
func (e *embedded) members(min int) int {
	srv := e.running()
	if srv == nil {
		return min
	}
	z, err := srv.Jsz(nil)
	if err != nil || z.Meta == nil {
		return min
	}
	return max(min, z.Meta.Size)
}

// id is by which the servers know this one for as long as it runs; "none" when none
// does.
func (e *embedded) id() string {
	if srv := e.running(); srv != nil {
		return srv.ID()
	}
	return "none"
}

// absent are the peer ids of the members that there is no link to, on the node
// that leads the cluster; none on others.
func (e *embedded) absent() []string {
	srv := e.running()
	if srv == nil {
		return nil
	}
	z, err := srv.Jsz(nil)
	if err != nil || z.Meta == nil || z.Meta.Leader != e.cfg.Node.Name {
		return nil
	}
	linked := map[string]bool{}
	for _, name := range e.peers() {
		linked[peerID(name)] = true
	}
	var ids []string
	for _, p := range z.Meta.Replicas {
		if !linked[p.Peer] {
			ids = append(ids, p.Peer)
		}
	}
	return ids
}

// memberPeers are the peer ids of the other members with the names that the server
// knows of them; nil when it has no store, or runs alone.
func (e *embedded) memberPeers() map[string]string {
	srv := e.running()
	if srv == nil || e.cfg.Cluster == nil {
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

// peerID is how the servers call a node in their Raft groups (nats-server,
// getHash in server/events.go).
func peerID(name string) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum := sha256.Sum256([]byte(name))
	id := sum[:8]
	for i, b := range id {
		id[i] = digits[int(b)%len(digits)]
	}
	return string(id)
}

// routez are the links to other nodes; none while the server does not run.
func (e *embedded) routez() []*natsserver.RouteInfo {
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
