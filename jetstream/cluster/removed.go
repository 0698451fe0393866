package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	js "github.com/nats-io/nats.go/jetstream"

	"weft/jetstream/api"
	"weft/jetstream/kv"
)

const (
	// recordsBytes bounds the bucket of the records.
	recordsBytes = 1 << 20
	// removedEvery is how often the leader looks for members that were removed.
	removedEvery = 2 * time.Second
)

// A record says of a node that was let in what its name is and whether it was removed.
type record struct {
	Node    string    `json:"node"`
	Removed bool      `json:"removed"`
	Time    time.Time `json:"time"`
}

// records are those of all nodes that were ever let in, by their peer ids. They are a
// bucket of the nodes: the servers forget after some minutes which nodes were removed,
// and would take them back.
type records struct {
	client   *api.Client
	replicas int
}

// open makes the bucket if need be.
func (r *records) open(ctx context.Context) error {
	return kv.Ensure(ctx, r.client.JS, js.KeyValueConfig{Bucket: kv.Nodes, Description: "nodes that were removed", History: 1,
		Storage: js.FileStorage, Replicas: r.replicas, MaxBytes: recordsBytes})
}

// put writes the record of a peer and returns after a majority has it.
func (r *records) put(ctx context.Context, peer string, t record) error {
	t.Time = time.Now().UTC()
	data, err := json.Marshal(t)
	if err != nil {
		return err
	}
	if err := kv.Put(ctx, r.client.Conn, kv.Message(kv.Nodes, peer, data, 0)); err != nil {
		return fmt.Errorf("write bucket %s: %w", kv.Nodes, err)
	}
	return nil
}

// removed reports whether a peer was removed.
func (r *records) removed(ctx context.Context, peer string) (bool, error) {
	t, err := r.get(ctx, peer)
	return t.Removed, err
}

// get asks the bucket's leader, since a copy of the node's own may be old.
// Without one it is empty.
func (r *records) get(ctx context.Context, peer string) (t record, err error) {
	found, err := api.AskLeader(ctx, r.client.Conn, kv.Stream(kv.Nodes), api.Query{LastFor: kv.Subject(kv.Nodes, peer)})
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
		return t, fmt.Errorf("read record of a node: %w", err)
	}
	return t, nil
}

// watchRemoved takes out again, until ctx ends, members that were removed once
// and are not linked: the servers count a node again that comes back, if only to
// find its record. Only the leader of the cluster does so. Each node learns there
// what the members are called that it has not met.
func (c *Cluster) watchRemoved(ctx context.Context) {
	t := time.NewTicker(removedEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			c.removeAgain(ctx)
			c.roster.ask(ctx, c.p.Server.MemberPeers(), c.records)
		}
	}
}

func (c *Cluster) removeAgain(ctx context.Context) {
	for _, peer := range c.p.Server.Absent() {
		try, cancel := context.WithTimeout(ctx, removeTry)
		removed, err := c.records.removed(try, peer)
		if err == nil && removed {
			err = expel(try, c.system, peer)
		}
		cancel()
		if err != nil && ctx.Err() == nil {
			c.p.Log.Warn("look for removed nodes; trying again", "err", err)
		}
	}
}
