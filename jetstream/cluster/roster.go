package cluster

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
	r.names[peer] = name
}

// of is the name of a peer, "" when it is not known.
func (r *roster) of(peer string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.names[peer]
}

// nameOf is the name of a peer, which the server may have said; "" when neither it
// nor anybody before knew.
func (r *roster) nameOf(peer, said string) string {
	if server.PeerID(said) == peer {
		r.learn(peer, said)
		return said
	}
	return r.of(peer)
}

// Members returns the names of the members of the cluster, this node included, in
// order, as this node knows them: also of those that are away, and without asking
// anybody. A member whose name it has yet to learn has its peer id instead. A
// standalone node has none, and neither has one whose store does not run.
func (c *Cluster) Members() []string {
	peers := c.p.Server.MemberPeers()
	if peers == nil {
		return nil
	}
	names := []string{c.p.Name}
	for peer, name := range peers {
		if name = c.roster.nameOf(peer, name); name == "" {
			name = peer
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ask looks up the records of the peers whose names are not known yet.
func (r *roster) ask(ctx context.Context, peers map[string]string, records *records) {
	for peer, said := range peers {
		if r.nameOf(peer, said) != "" {
			continue
		}
		try, cancel := context.WithTimeout(ctx, removeTry)
		t, err := records.get(try, peer)
		cancel()
		if err != nil {
			return // nobody leads the bucket; it is asked again
		}
		if t.Node != "" {
			r.learn(peer, t.Node)
		}
	}
}
