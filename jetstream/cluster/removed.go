package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	js "github.com/nats-io/nats.go/jetstream"

	"weft/jetstream/api"
	"weft/jetstream/kv"
	"weft/jetstream/server"
)

const (
	bucketNodesBytes = 1 << 20
	// buryEvery is how often the leader looks for members that were removed.
	buryEvery = 2 * time.Second
)

// A tombstone says of every node that was let in, under its peer id, what its
// name is and whether it was removed.
type tombstone struct {
	Node    string    `json:"node"`
	Removed bool      `json:"removed"`
	Time    time.Time `json:"time"`
}

// openTombstones makes the bucket if need be: it remembers which nodes were removed,
// since the servers forget that after some minutes and would take them back.
func (n *Node) openTombstones(ctx context.Context) error {
	return kv.Ensure(ctx, n.client.JS, js.KeyValueConfig{Bucket: kv.Nodes, Description: "nodes that were removed", History: 1,
		Storage: js.FileStorage, Replicas: n.cfg.replicas(), MaxBytes: bucketNodesBytes})
}

// bury writes the tombstone of a peer and returns after a majority has it.
func (n *Node) bury(ctx context.Context, peer string, t tombstone) error {
	t.Time = time.Now().UTC()
	data, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return kv.Put(ctx, n.client.Conn, kv.Message(kv.Nodes, peer, data, 0))
}

// buried reports whether a peer was removed.
func (n *Node) buried(ctx context.Context, peer string) (bool, error) {
	t, err := n.tombstone(ctx, peer)
	return t.Removed, err
}

// tombstone asks the bucket's leader, since a copy of the node's own may be old.
// Without one it is empty.
func (n *Node) tombstone(ctx context.Context, peer string) (t tombstone, err error) {
	found, err := api.AskLeader(ctx, n.client.Conn, kv.Stream(kv.Nodes), api.Query{LastFor: kv.Subject(kv.Nodes, peer)})
	switch {
	case api.IsCode(err, api.CodeNoStream), err == nil && found == nil:
		return t, nil
	case err != nil:
		return t, fmt.Errorf("%w: ask for removed nodes: %w", api.ErrUnavailable, err)
	}
	m, err := found.Message()
	if err != nil {
		return t, fmt.Errorf("ask for removed nodes: %w", err)
	}
	if err := json.Unmarshal(m.Data, &t); err != nil {
		return t, fmt.Errorf("read tombstone: %w", err)
	}
	return t, nil
}

// enter finds out whether the node may be in the cluster. One that was removed
// and brings its old data folder may not; with a new one it is a new member.
func (n *Node) enter(ctx context.Context) error {
	if n.cfg.Cluster == nil {
		return nil
	}
	n.waitFor("waiting for the cluster to agree on a leader")
	var buried bool
	err := api.Start().Do(ctx, func(ctx context.Context) (err error) {
		buried, err = n.buried(ctx, server.PeerID(n.Name()))
		return err
	})
	if err != nil {
		return err
	}
	id, err := server.ReadIdentity(n.cfg.Node.DataDir)
	if err != nil {
		return err
	}
	if buried && id.Member {
		return n.leave()
	}
	if err := n.openTombstones(ctx); err != nil {
		return err
	}
	if buried {
		n.log.Info("a node of this name was removed; this one joins as a new member")
	}
	if !id.Member {
		if err := n.bury(ctx, server.PeerID(n.Name()), tombstone{Node: n.Name()}); err != nil {
			return err
		}
	}
	id.Member = true
	return id.Write(n.cfg.Node.DataDir)
}

// leave makes the data folder refuse to start again, and returns ErrRemoved.
func (n *Node) leave() error {
	n.log.Error("an operator removed this node from the cluster while it was away")
	id, err := server.ReadIdentity(n.cfg.Node.DataDir)
	if err == nil {
		id.Removed = true
		err = id.Write(n.cfg.Node.DataDir)
	}
	return errors.Join(server.ErrRemoved, err)
}

// watchTombstones takes out again, until ctx ends, members that were removed once
// and are not linked: the servers count a node again that comes back, if only to
// find its tombstone. Only the leader of the cluster does so. Each node learns there
// what the members are called that it has not met.
func (n *Node) watchTombstones(ctx context.Context) {
	t := time.NewTicker(buryEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			n.buryAgain(ctx)
			n.learnNames(ctx)
		}
	}
}

func (n *Node) buryAgain(ctx context.Context) {
	for _, peer := range n.srv.Absent() {
		try, cancel := context.WithTimeout(ctx, removeTry)
		buried, err := n.buried(try, peer)
		if err == nil && buried {
			err = n.expel(try, peer)
		}
		cancel()
		if err != nil && ctx.Err() == nil {
			n.log.Warn("look for removed nodes; trying again", "err", err)
		}
	}
}
