package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"weft/jetstream/api"
	"weft/jetstream/server"
)

const (
	// divergedEvery is how often a node looks whether its copies have diverged.
	divergedEvery = 250 * time.Millisecond
	// divergedAfter is how long a copy whose log has become shorter may take by itself.
	divergedAfter = time.Second
	// divergedTry bounds the question whether the others can do without such a copy.
	divergedTry = 2 * time.Second
)

// A divergence is a copy whose log holds what the others never agreed to: its node led
// when it was cut off, and has written what publishers sent. The log goes back by one
// entry with each try to catch up, which is every other second, until the leader has made
// a snapshot beyond it some minutes later (nats-server, processAppendEntry in raft.go).
type divergence struct {
	longest uint64 // the newest entry that the log has held since it was first seen
	since   time.Time
}

// divergences are the copies that do not agree with their leaders, by group. They belong
// to one goroutine.
type divergences map[string]divergence

// see takes in what the copies are like now and returns those that have diverged: their
// logs have become shorter, which no log does that only lacks something.
func (d divergences) see(copies []server.Copy, now time.Time) (diverged []server.Copy) {
	for _, g := range copies {
		v, known := d[g.Group]
		switch {
		case g.Leads || g.Leader == "" || g.Agrees:
			delete(d, g.Group)
		case !known || g.Last > v.longest:
			d[g.Group] = divergence{g.Last, now}
		case g.Last < v.longest && now.Sub(v.since) >= divergedAfter:
			diverged = append(diverged, g)
		}
	}
	return diverged
}

// watchDiverged tells the node of copies that have diverged, until ctx ends.
func (c *Cluster) watchDiverged(ctx context.Context) {
	seen := divergences{}
	var said time.Time
	for api.Sleep(ctx, divergedEvery) {
		found := seen.see(server.CopiesOf(c.p.Server), time.Now())
		if len(found) == 0 {
			continue
		}
		c.links.diverged()
		if err := c.dispensable(ctx, found); err != nil {
			if time.Since(said) > time.Minute && ctx.Err() == nil {
				said = time.Now()
				c.p.Log.Warn("a local replica holds what the others did not agree to, and takes it back slowly", "err", err)
			}
			continue
		}
		select {
		case c.diverged <- found:
			clear(seen)
		default:
		}
	}
}

// Diverged gets the copies of this node that hold what the others did not agree to, when the others can do without these copies' logs: see server.DropLogs.
func (c *Cluster) Diverged() <-chan []server.Copy { return c.diverged }

// errNoGroup means that a Raft group is none of a stream's, but that of the members.
var errNoGroup = errors.New("the group is no stream's")

// dispensable is nil when each of the copies follows another node, and a majority has all
// there is without this one. A leader answers after a majority has its first entry, which
// was without a copy that has diverged: so nothing that was ever agreed on is in that copy
// alone. It is so as long as the copy does not follow; DropLogs sees to that.
func (c *Cluster) dispensable(ctx context.Context, copies []server.Copy) error {
	ctx, cancel := context.WithTimeout(ctx, divergedTry)
	defer cancel()
	for _, v := range copies {
		g, err := c.groups.ofRaft(ctx, v.Group)
		if err != nil {
			return err
		}
		if g.Leader == c.p.Name || !g.whole(c.p.Name) {
			return fmt.Errorf("%s: %w", g.Name, errNobodyElse)
		}
	}
	return nil
}

// whole reports whether a majority has all that was agreed on, without one node. One that
// lacks a little, which is all there is of a small group, has not.
func (g *Group) whole(without string) bool {
	have := 0
	for _, r := range g.Replicas {
		if r.Node != without && r.Current && !r.Offline {
			have++
		}
	}
	return have > len(g.Replicas)/2
}

// ofRaft is the group of a stream or bucket that a Raft group keeps.
func (q *groups) ofRaft(ctx context.Context, raft string) (*Group, error) {
	for _, name := range groupNames[1:] {
		info, err := q.info(ctx, name)
		if err != nil {
			return nil, err
		}
		if info != nil && info.RaftGroup == raft {
			return q.newGroup(ctx, name, info.Leader, info.Replicas), nil
		}
	}
	return nil, fmt.Errorf("%s: %w", raft, errNoGroup)
}
