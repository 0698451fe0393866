package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"weft/jetstream/api"
	"weft/jetstream/server"
)

const (
	// linksEvery is how often a node looks at its links.
	linksEvery = 250 * time.Millisecond
	// healthTry bounds one look at the replicas.
	healthTry = time.Second
)

// watchLinks keeps the links true until ctx ends.
func (c *Cluster) watchLinks(ctx context.Context) {
	t := time.NewTicker(linksEvery)
	defer t.Stop()
	for {
		c.lookAround(ctx)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

func (c *Cluster) lookAround(ctx context.Context) {
	srv := c.p.Server
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
	if c.links.checked(c.Current(ctx), c.p.Log) {
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

// Current asks the server whether all that it holds has caught up.
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
	return nil
}
