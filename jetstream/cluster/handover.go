package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"weft/jetstream/api"
)

const (
	// HandOverTimeout bounds how long HandOver waits for other nodes.
	HandOverTimeout = 10 * time.Second
	// handOverTry bounds giving one group away; an election takes a fraction of
	// it when the one who is to lead has all there is.
	handOverTry  = 2 * time.Second
	handOverStep = 20 * time.Millisecond
	// handOverAsk bounds one question for the leader: while there is none,
	// nobody answers.
	handOverAsk = 100 * time.Millisecond
	lookStep    = 200 * time.Millisecond
	// nearly is how many changes a copy may be behind and count as current: on
	// a busy cluster some are always on their way.
	nearly = 64

	stepDownStream = "$JS.API.STREAM.LEADER.STEPDOWN."
	stepDownMeta   = "$JS.API.META.LEADER.STEPDOWN"
)

// errNobodyElse means that no other node can lead a group.
var errNobodyElse = errors.New("no other node has a current copy")

// HandOver prepares the others for the end of this node. It waits until they can
// do without it (a majority of each group's copies is current without this
// node's), for HandOverTimeout at the longest, and then gives what it leads to
// nodes that have all of it, so that there is no election after it has gone.
// The node goes on working as a follower. It returns what it still leads as an
// error; a node that is standalone or cut off has nothing to give.
func (c *Cluster) HandOver(ctx context.Context) error {
	if c.p.Cluster == nil || c.p.Opened() != nil || c.links.LinkedFor() == 0 {
		return nil
	}
	groups := c.awaitOthers(ctx)
	var errs []error
	for i := len(groups) - 1; i >= 0; i-- { // the meta group, which is the first, last
		g := &groups[i]
		if g.Leader != c.p.Name {
			continue
		}
		if err := c.groups.stepDown(ctx, g, c.p.Name, c.p.Log); err != nil {
			errs = append(errs, fmt.Errorf("hand over %s: %w", g.Name, err))
		}
	}
	return errors.Join(errs...)
}

// awaitOthers returns the groups as they were seen last.
func (c *Cluster) awaitOthers(ctx context.Context) []Group {
	begun := time.Now()
	said := false
	for {
		groups := c.Groups(ctx)
		behind := needed(groups, c.p.Name)
		switch {
		case behind == "":
			if said {
				c.p.Log.Info("the other nodes can do without this one", "after", time.Since(begun).Round(time.Millisecond))
			}
			return groups
		case ctx.Err() != nil || time.Since(begun) > HandOverTimeout:
			c.p.Log.Warn("stopping although the other nodes need this one", "group", behind)
			return groups
		case !said:
			said = true
			c.p.Log.Warn("another node is away or behind; waiting for it before this one stops",
				"group", behind, "at_most", HandOverTimeout)
		}
		select {
		case <-ctx.Done():
		case <-time.After(lookStep):
		}
	}
}

// needed returns a group that has no majority of current copies without those
// of a node, or that nobody leads; "" when there is none.
func needed(groups []Group, node string) string {
	for i := range groups {
		g := &groups[i]
		current := 0
		for _, r := range g.Replicas {
			if r.Node != node && r.near() {
				current++
			}
		}
		if current <= len(g.Replicas)/2 {
			return g.Name
		}
	}
	return ""
}

func (r *Replica) near() bool { return !r.Offline && (r.Current || r.Lag <= nearly) }

// successor is the node that has most of a group, but for one; "" when none is near.
func (g *Group) successor(not string) string {
	best, lag := "", uint64(0)
	for _, r := range g.Replicas {
		if r.Node != not && r.near() && (best == "" || r.Lag < lag) {
			best, lag = r.Node, r.Lag
		}
	}
	return best
}

// stepDown makes another node lead a group that this one, self, leads, and returns when
// it does.
func (q *groups) stepDown(ctx context.Context, g *Group, self string, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, handOverTry)
	defer cancel()
	successor := g.successor(self)
	if successor == "" {
		return errNobodyElse
	}
	begun := time.Now()
	if err := q.askStepDown(ctx, g.Name, successor); err != nil {
		return err
	}
	for {
		ask, cancel := context.WithTimeout(ctx, handOverAsk)
		now := q.group(ask, g.Name)
		cancel()
		if now == nil || now.Leader != "" && now.Leader != self {
			log.Info("handed leadership over", "group", g.Name, "to", successor, "took", time.Since(begun).Round(time.Millisecond))
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s to lead: %w", successor, ctx.Err())
		case <-time.After(handOverStep):
		}
	}
}

// askStepDown asks the leader of a group, which is this node, to let another
// one lead.
func (q *groups) askStepDown(ctx context.Context, group, successor string) error {
	var conn *nats.Conn
	var subject string
	if group == GroupMeta {
		conn, subject = q.system, stepDownMeta
	} else {
		var stream string
		conn, stream = q.connOf(group)
		subject = stepDownStream + stream
	}
	var req struct {
		Placement struct {
			Preferred string `json:"preferred"`
		} `json:"placement"`
	}
	req.Placement.Preferred = successor
	if err := api.Request(ctx, conn, subject, req, new(api.Response)); err != nil {
		return fmt.Errorf("ask to step down: %w", err)
	}
	return nil
}
