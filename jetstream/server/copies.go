package server

import (
	natsserver "github.com/nats-io/nats-server/v2/server"
)

// A Copy is what this node has of what a Raft group agreed on: of who the members are,
// or of a stream. It is as the node itself knows it, without asking anybody.
type Copy struct {
	Group string // as the servers call it
	// Leader is the peer id of the node that the copy follows; "" while it has heard of
	// none. It is the node's own when Leads.
	Leader string
	Leads  bool
	// Agrees is set when the newest entry of the copy's log is one of its leader. Each
	// leader begins with an entry of its own, so a log that ends with one holds nothing
	// any more that others never agreed to, nor lacks what they agreed to before.
	Agrees bool
	// CatchingUp is set while the leader sends what the copy lacks.
	CatchingUp bool
	// Last is the index of the newest entry, Committed that up to which all is agreed.
	Last, Committed uint64
}

// CopiesOf are those of a server's node; none while it does not run, and of a
// standalone node.
func CopiesOf(s *Server) []Copy {
	srv := s.running()
	if srv == nil || s.cfg.Cluster == nil {
		return nil
	}
	var copies []Copy
	for _, account := range []string{accountSystem, accountNodes, accountControl} {
		z := srv.Raftz(&natsserver.RaftzOptions{AccountFilter: account})
		if z == nil {
			continue
		}
		for _, groups := range *z {
			for name, g := range groups {
				copies = append(copies, Copy{Group: name, Leader: g.Leader, Leads: g.State == natsserver.Leader.String(),
					Agrees: g.PTerm == g.Term, CatchingUp: g.CatchingUp, Last: g.PIndex, Committed: g.Committed})
			}
		}
	}
	return copies
}
