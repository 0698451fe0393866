package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"weft/jetstream/api"
	"weft/jetstream/server"
)

var (
	// ErrNoMember means that the cluster has no such member.
	ErrNoMember = errors.New("not a member of the cluster")
	// ErrAlive means that a node was to be removed that others are linked to.
	ErrAlive = errors.New("node is alive")
	// ErrNoMajority means that too few members are alive to agree on anything.
	ErrNoMajority = errors.New("no majority of the members is alive")
)

const (
	// removeTry bounds one try of a removal, removeWait all of them.
	removeTry  = 2 * time.Second
	removeWait = 20 * time.Second
)

// Remove takes a dead node out of the cluster for good: the others do not count
// it any more when they form a majority, its replicas go to other nodes as soon
// as there are some, and its data folder is refused when it comes back. name is
// the node's, or its peer id. It returns after a majority has agreed. Its errors
// are ErrNoMember, ErrAlive, ErrNoMajority and ErrUnavailable, with which it is
// unknown whether the node was removed: say it again.
func (c *Cluster) Remove(ctx context.Context, name string) error {
	if c.p.Cluster == nil {
		return fmt.Errorf("%w: %s runs alone", ErrNoMember, c.p.Name)
	}
	if err := c.p.Opened(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, removeWait)
	defer cancel()
	meta, err := c.groups.meta(ctx)
	for err != nil && ctx.Err() == nil { // the dead one may have been the leader
		meta, err = c.groups.meta(ctx)
	}
	if err != nil {
		return err
	}
	dead, err := memberOf(meta, name)
	if err != nil {
		return err
	}
	answered, linked := ping(ctx, c.system, len(c.p.Server.Peers())+1)
	if by, ok := linked[dead]; ok {
		return fmt.Errorf("%w: %s is linked to %s", ErrAlive, name, by)
	}
	alive := 0
	for _, p := range meta.Replicas {
		if answered[p.Peer] {
			alive++
		}
	}
	if answered[meta.Peer] {
		alive++
	}
	if members := len(meta.Replicas) + 1; alive <= members/2 {
		return fmt.Errorf("%w: %d of %d", ErrNoMajority, alive, members)
	}
	// First the record: a node that comes back at this moment must find it.
	if err := c.records.put(ctx, dead, record{Node: name, Removed: true}); err != nil {
		return err
	}
	if err := expel(ctx, c.system, dead); err != nil {
		return err
	}
	c.p.Log.Info("a node was removed from the cluster", "removed", name, "members", len(meta.Replicas))
	return nil
}

// memberOf finds the peer id of a member by its name or peer id.
func memberOf(meta *natsserver.MetaClusterInfo, name string) (string, error) {
	ids := []string{name, server.PeerID(name)}
	if slices.Contains(ids, meta.Peer) {
		return meta.Peer, nil
	}
	for _, p := range meta.Replicas {
		if slices.Contains(ids, p.Peer) {
			return p.Peer, nil
		}
	}
	return "", fmt.Errorf("%w: %s", ErrNoMember, name)
}

// ping asks all nodes whom they are linked to. answered holds the peer ids of
// those that say so, linked also of those that they name, and by whom. It does
// not wait long for a node that says nothing; expected is how many are there.
//
// The servers' own view of who is offline lags by half a minute behind a crash.
func ping(ctx context.Context, system *nats.Conn, expected int) (answered map[string]bool, linked map[string]string) {
	answered, linked = map[string]bool{}, map[string]string{}
	inbox := system.NewInbox()
	answers := make(chan *nats.Msg, 64)
	sub, err := system.ChanSubscribe(inbox, answers)
	if err != nil {
		return answered, linked
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := system.PublishRequest("$SYS.REQ.SERVER.PING.ROUTEZ", inbox, nil); err != nil {
		return answered, linked
	}
	ctx, cancel := context.WithTimeout(ctx, removeTry)
	defer cancel()
	for len(answered) < expected {
		select {
		case <-ctx.Done():
			return answered, linked
		case m := <-answers:
			var resp struct {
				Server natsserver.ServerInfo `json:"server"`
				Data   natsserver.Routez     `json:"data"`
			}
			if json.Unmarshal(m.Data, &resp) != nil || resp.Server.Name == "" {
				continue
			}
			id := server.PeerID(resp.Server.Name)
			answered[id], linked[id] = true, resp.Server.Name
			for _, r := range resp.Data.Routes {
				linked[server.PeerID(r.RemoteName)] = resp.Server.Name
			}
		}
	}
	return answered, linked
}

// expel makes the meta group forget a peer. One that it does not know is fine.
func expel(ctx context.Context, system *nats.Conn, peer string) error {
	err := api.Retry{Try: removeTry, Pause: api.StartPause}.Do(ctx, func(ctx context.Context) error {
		var resp struct {
			api.Response
			Success bool `json:"success"`
		}
		err := api.Request(ctx, system, natsserver.JSApiRemoveServer, natsserver.JSApiMetaServerRemoveRequest{Peer: peer}, &resp)
		switch {
		case api.IsCode(err, api.CodeNoMember):
			return nil
		case err == nil && !resp.Success:
			return errors.New("refused")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%w: remove a member: %w", api.ErrUnavailable, err)
	}
	return nil
}
