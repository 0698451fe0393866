package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"

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

	term   uint64            // of the newest entry
	closed func() (node any) // the group, when it has stopped; nil before
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
		for name, g := range raftGroups(srv, account) {
			copies = append(copies, Copy{Group: name, Leader: g.Leader, Leads: g.State == natsserver.Leader.String(),
				Agrees: g.PTerm == g.Term, CatchingUp: g.CatchingUp, Last: g.PIndex, Committed: g.Committed,
				term: g.PTerm, closed: closedOf(lookupRaftNode(srv, name))})
		}
	}
	return copies
}

// raftFolder is where the server keeps the Raft groups, in the data folder: of each the
// log, and snapshots of what was agreed on up to some entry of it.
const raftFolder = "jetstream/" + accountSystem + "/_js_"

// closedOf hands a Raft group out when nothing changes it any more.
func closedOf(node natsserver.RaftNode) func() any {
	return func() any {
		if node == nil || node.State() != natsserver.Closed {
			return nil
		}
		node.WaitForStop()
		return node
	}
}

// DropLogs makes copies, as they were seen when they had diverged, begin again at their last
// snapshot, which a server makes of all that it has applied when it stops. The server must
// be stopped. What comes after is asked of the others: they must have all that was agreed
// on. What else the log holds is gone, as it would be entry by entry. The term, and whom
// this node has voted for, are kept.
//
// A copy is left as it is when it has taken anything of a leader since it was seen, for
// that may be agreed on by its word; when it cannot be told whether it has; and when its
// snapshot is older than what it knew to be agreed on, which may tell who the members are.
func DropLogs(s *Server, copies []Copy) error {
	if s.running() != nil {
		return errors.New("drop logs: the server runs")
	}
	var errs []error
	for _, c := range copies {
		folder := filepath.Join(s.cfg.Node.DataDir, raftFolder, filepath.Base(c.Group))
		if err := c.droppable(folder); err != nil {
			errs = append(errs, fmt.Errorf("drop the log of %s: %w", c.Group, err))
			continue
		}
		if err := os.RemoveAll(filepath.Join(folder, "msgs")); err != nil {
			errs = append(errs, fmt.Errorf("drop the log of %s: %w", c.Group, err))
		}
	}
	return errors.Join(errs...)
}

func (c *Copy) droppable(folder string) error {
	term, ok := newestTerm(c.closed)
	switch {
	case !ok:
		return errors.New("it is not known what the log holds now")
	case term > c.term:
		return errors.New("the copy has begun to follow")
	}
	index, ok := snapshotIndex(filepath.Join(folder, "snapshots"))
	switch {
	case !ok:
		return errors.New("there is no snapshot")
	case index < c.Committed:
		return fmt.Errorf("the snapshot ends at %d, before what was agreed on, %d", index, c.Committed)
	}
	return nil
}

// newestTerm is the term of the newest entry that a group had when it stopped. A follower's
// word counts for a leader only when that is the leader's term (trackResponse in raft.go).
func newestTerm(closed func() any) (term uint64, ok bool) {
	if closed == nil {
		return 0, false
	}
	v := reflect.ValueOf(closed())
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return 0, false
	}
	// It has no exported name. One that is renamed is not found, and no log dropped.
	pterm := v.Elem().FieldByName("pterm")
	if pterm.Kind() != reflect.Uint64 {
		return 0, false
	}
	return pterm.Uint(), true
}

// snapshotIndex is the entry up to which the newest snapshot in a folder goes.
func snapshotIndex(folder string) (newest uint64, ok bool) {
	files, err := os.ReadDir(folder)
	if err != nil {
		return 0, false
	}
	for _, f := range files {
		var term, index uint64
		if n, err := fmt.Sscanf(f.Name(), "snap.%d.%d", &term, &index); err == nil && n == 2 && f.Name() == fmt.Sprintf("snap.%d.%d", term, index) {
			newest, ok = max(newest, index), true
		}
	}
	return newest, ok
}
