package jetstream

import (
	"context"
	"slices"
	"sync"

	"github.com/nats-io/nats-server/v2/server"
)

// metaRaft is what the servers call the Raft group of the members (nats-server,
// defaultMetaGroupName in server/jetstream_cluster.go).
const metaRaft = "_meta_"

// A roster remembers what the members of the cluster are called. The servers only
// know the names of those they have met since they started, and it is those that are
// away for whom an operator asks.
type roster struct {
	mu    sync.Mutex
	names map[string]string // by peer id
}

func (r *roster) learn(peer, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.names == nil {
		r.names = map[string]string{}
	}
	r.names[peer] = name
}

// of is the name of a peer, "" when it is not known.
func (r *roster) of(peer string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.names[peer]
}

// Members returns the names of the members of the cluster, this node included, in
// order, as this node knows them: also of those that are away, and without asking
// anybody. A member whose name it has yet to learn has its peer id instead. A
// standalone node has none, and neither has one whose store does not run.
func (n *Node) Members() []string {
	peers := n.srv.memberPeers()
	if peers == nil {
		return nil
	}
	names := []string{n.Name()}
	for peer, name := range peers {
		if name = n.nameOf(peer, name); name == "" {
			name = peer
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// nameOf is the name of a peer, which the server may have said; "" when neither it
// nor the roster knows.
func (n *Node) nameOf(peer, said string) string {
	if peerID(said) == peer {
		n.members.roster.learn(peer, said)
		return said
	}
	return n.members.roster.of(peer)
}

// learnNames looks up the tombstones of the members whose names are not known yet.
func (n *Node) learnNames(ctx context.Context) {
	for peer, said := range n.srv.memberPeers() {
		if n.nameOf(peer, said) != "" {
			continue
		}
		try, cancel := context.WithTimeout(ctx, removeTry)
		t, err := n.tombstone(try, peer)
		cancel()
		if err != nil {
			return // nobody leads the bucket; it is asked again
		}
		if t.Node != "" {
			n.members.roster.learn(peer, t.Node)
		}
	}
}

// memberPeers are the peer ids of the other members with the names that the server
// knows of them; nil when it has no store, or runs alone.
func (e *embedded) memberPeers() map[string]string {
	srv := e.running()
	if srv == nil || e.cfg.Cluster == nil {
		return nil
	}
	z := srv.Raftz(&server.RaftzOptions{GroupFilter: metaRaft})
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
