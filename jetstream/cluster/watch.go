package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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
	peers := srv.Peers()
	linked, known := len(peers)+1, srv.Members(c.p.Cluster.Size)
	l := c.links
	l.mu.Lock()
	if logLinks(c.p.Log, l.peers, peers) {
		l.relinked = time.Now()
	}
	l.peers, l.linked, l.known = peers, linked, known
	majority := linked > known/2
	now := time.Now()
	switch {
	case majority && l.since.IsZero():
		l.since, l.cut = now, time.Time{}
		c.p.Log.Info("linked to a majority of the nodes", "linked", linked, "known", known)
	case !majority && l.cut.IsZero():
		l.since, l.cut, l.entered = time.Time{}, now, false
		c.p.Log.Warn("cut off from the majority of the nodes", "linked", linked, "known", known)
	}
	current, entered := l.current, l.entered && srv.HasStore()
	l.mu.Unlock()
	if !majority {
		return
	}
	if !entered {
		c.reenter(ctx)
	}
	if current && srv.HasStore() && !c.p.Disk.WasFull() {
		return
	}
	err := c.Current(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil && l.current:
		l.ill = time.Time{}
		c.p.Disk.Mended()
	case err == nil:
		l.current = true
		c.p.Log.Info("the local replicas are current")
	case !l.current:
		l.stale = err.Error()
	case l.ill.IsZero():
		l.ill = now
	}
}

// logLinks says which links are new or gone, and reports whether any is new.
func logLinks(log *slog.Logger, before, now []string) (some bool) {
	for _, name := range now {
		if !slices.Contains(before, name) {
			log.Info("linked to a node", "node", name)
			some = true
		}
	}
	for _, name := range before {
		if !slices.Contains(now, name) {
			log.Warn("the link to a node is gone", "node", name)
		}
	}
	return some
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
		c.links.mu.Lock()
		c.links.entered = true
		c.links.mu.Unlock()
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
