package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"weft/jetstream/api"
	"weft/jetstream/server"
)

const (
	// linksEvery is how often a node looks at its links.
	linksEvery = 250 * time.Millisecond
	// startEvery is how often one does that is not ready yet.
	startEvery = 50 * time.Millisecond
	// leadersEvery is how often a node that starts looks for leaders, leadersWait for how
	// long before it asks all the same.
	leadersEvery = 10 * time.Millisecond
	leadersWait  = 3 * time.Second
	// healthTry bounds one look at the replicas.
	healthTry = time.Second
)

// watchLinks keeps the links true until ctx ends.
func (c *Cluster) watchLinks(ctx context.Context) {
	for {
		c.lookAround(ctx)
		pause := linksEvery
		if c.links.ready("") != nil {
			pause = startEvery
		}
		if !api.Sleep(ctx, pause) {
			return
		}
	}
}

func (c *Cluster) lookAround(ctx context.Context) {
	srv := c.p.Server
	if c.links.LinkedFor() == 0 && !c.links.CutOff() {
		// The first look, for which the node has opened its store: links are older.
		c.links.wereLinked(server.LinkedSince(srv, srv.Members(c.p.Cluster.Size)/2))
	}
	if !c.links.saw(srv.Peers(), srv.Members(c.p.Cluster.Size), c.p.Log) {
		return
	}
	current, entered := c.links.standing()
	if !entered || !srv.HasStore() {
		c.reenter(ctx)
	}
	if current && srv.HasStore() && !c.p.Disk.WasFull() {
		return
	}
	if c.links.checked(c.Current(ctx), !srv.HasStore() || c.p.Disk.WasFull(), c.p.Log) {
		c.p.Disk.Mended()
	}
}

// reenter finds out whether the node was removed while it was cut off. A node
// that loses its store has been removed, or its disk is full.
func (c *Cluster) reenter(ctx context.Context) {
	try, cancel := context.WithTimeout(ctx, api.StartTry)
	defer cancel()
	removed, err := c.records.removed(try, server.PeerID(c.p.Name))
	if err != nil {
		return // it is asked again
	}
	if !removed {
		c.links.enter()
		return
	}
	select {
	case c.expelled <- c.leave():
		<-ctx.Done() // there is no more to look at
	case <-ctx.Done():
	}
}

// awaitLeaders waits until all copies of the node follow a leader, for leadersWait at the
// longest: of a node that was removed some never will. A request that comes before there
// is a leader is dropped without an answer.
func (c *Cluster) awaitLeaders(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, leadersWait)
	defer cancel()
	led := func(copies []server.Copy) bool {
		return len(copies) > 0 && !slices.ContainsFunc(copies, func(g server.Copy) bool { return g.Leader == "" })
	}
	for !led(server.CopiesOf(c.p.Server)) && api.Sleep(ctx, leadersEvery) {
	}
}

// Current says why not all that the node holds has caught up, nil when it has: the
// server says so, and each copy has heard of its leader and ends with what that one has.
// The server alone calls a copy well also before it has heard of a leader, and one whose
// log holds what nobody else agreed to.
func (c *Cluster) Current(ctx context.Context) error {
	if !c.p.Server.HasStore() {
		return errors.New("the local store has stopped") // the server calls that healthy
	}
	try, cancel := context.WithTimeout(ctx, healthTry)
	defer cancel()
	m, err := c.system.RequestWithContext(try, "$SYS.REQ.SERVER."+c.p.Server.ID()+".HEALTHZ", nil)
	if err != nil {
		return fmt.Errorf("ask for the replicas: %w", err)
	}
	var resp struct {
		Data *natsserver.HealthStatus `json:"data"`
	}
	if err := json.Unmarshal(m.Data, &resp); err != nil {
		return fmt.Errorf("ask for the replicas: %w", err)
	}
	if resp.Data == nil || resp.Data.Status != "ok" {
		return errors.New("the local replicas have not caught up")
	}
	for _, g := range server.CopiesOf(c.p.Server) {
		switch {
		case g.Leader == "":
			return errors.New("a local replica has not heard of a leader yet")
		case g.CatchingUp || !g.Agrees:
			return errors.New("a local replica has not caught up with its leader")
		}
	}
	return nil
}
