package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

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

// raftFolder is where the server keeps the Raft groups, in the data folder: of each the
// log, and snapshots of what was agreed on up to some entry of it.
const raftFolder = "jetstream/" + accountSystem + "/_js_"

// DropLogs makes copies begin again at their last snapshot, which a server makes of all
// that it has applied when it stops. The server must be stopped. What comes after is asked
// of the others: they must have all that was agreed on. What else the log holds is gone,
// as it would be entry by entry. The term, and whom this node has voted for, are kept. A
// copy without a snapshot is left as it is.
func DropLogs(s *Server, groups []string) error {
	if s.running() != nil {
		return errors.New("drop logs: the server runs")
	}
	var errs []error
	for _, g := range groups {
		folder := filepath.Join(s.cfg.Node.DataDir, raftFolder, filepath.Base(g))
		if snapshots, err := os.ReadDir(filepath.Join(folder, "snapshots")); err != nil || len(snapshots) == 0 {
			errs = append(errs, fmt.Errorf("drop the log of %s: there is no snapshot: %w", g, err))
			continue
		}
		if err := os.RemoveAll(filepath.Join(folder, "msgs")); err != nil {
			errs = append(errs, fmt.Errorf("drop the log of %s: %w", g, err))
		}
	}
	return errors.Join(errs...)
}
