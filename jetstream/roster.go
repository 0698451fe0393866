package jetstream

import (
	"context"
	"slices"
	"sync"

	"weft/jetstream/server"
)

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
	peers := n.srv.MemberPeers()
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
	if server.PeerID(said) == peer {
		n.members.roster.learn(peer, said)
		return said
	}
	return n.members.roster.of(peer)
}

// learnNames looks up the tombstones of the members whose names are not known yet.
func (n *Node) learnNames(ctx context.Context) {
	for peer, said := range n.srv.MemberPeers() {
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
