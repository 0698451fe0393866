package jetstream

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream/api"
	"weft/jetstream/blacklist"
	"weft/jetstream/kv"
	"weft/jetstream/routes"
	"weft/jetstream/server"
)

const (
	// provePause is the time between two proofs that the blacklist is fresh. It
	// bounds how late a node learns of an entry whose consumer has died with the
	// node that it lived on.
	provePause = 400 * time.Millisecond
	// proveAlone is the same on a standalone node, where the consumer dies with the
	// node.
	proveAlone = 2 * time.Second
	// bucketBytes bounds the buckets together, besides the events.
	bucketBytes = 512 << 20
)

// makeBuckets makes what keeps and reads the buckets.
func (n *Node) makeBuckets(reg prometheus.Registerer) {
	n.control = new(kv.Account)
	prove := provePause
	if n.cfg.Cluster == nil {
		prove = proveAlone
	}
	cutOff := func() bool { return n.cfg.Cluster != nil && n.cluster.Links().LinkedFor() == 0 }
	n.blacklist = blacklist.New(blacklist.Config{Life: n.cfg.MaxTokenLife, Replicas: n.cfg.replicas(), MaxBytes: bucketBytes / 2,
		Watch: kv.WatchConfig{Account: n.control, Log: n.log, Prove: prove,
			CutOff: cutOff}}, reg)
	guards := kv.Guards{Opened: n.opened, DiskFull: n.disk.Full}
	n.routes = routes.New(routes.Config{Replicas: n.cfg.replicas(), MaxBytes: bucketBytes / 4,
		Watch: kv.WatchConfig{Account: n.control, Log: n.log, Prove: prove, CutOff: cutOff}, Guards: guards}, reg)
	n.keeper = kv.NewKeeper(n.control, []kv.Kept{{Config: n.blacklist.Bucket(), Memory: n.blacklist}, {Config: n.routes.Bucket(), Memory: n.routes}}, n.log)
	n.transfer = kv.NewTransfer(n.control, guards,
		map[string]kv.Rules{kv.Blacklist: {Merger: n.blacklist.NewMerger}, kv.Routes: n.routes.Rules()})
}

// openControl connects to the account of operators.
func (n *Node) openControl() error {
	conn, err := n.srv.Connect(server.ControlUser, "control")
	if err != nil {
		return err
	}
	n.undo = append(n.undo, func() error { conn.Close(); return nil })
	heard, own := server.WritesOf(n.srv)
	n.control.Own = own
	if err := n.control.Open(conn); err != nil {
		return err
	}
	writes, err := n.srv.Connect(server.ControlUser, "writes")
	if err != nil {
		return err
	}
	n.undo = append(n.undo, func() error { writes.Close(); return nil })
	return kv.Relay(writes, heard, own, n.log)
}

// plant creates the routes of the configuration as soon as the node is ready.
func plant(ctx context.Context, ready func() error, r *routes.Routes, seeds routes.Seeds) {
	if len(seeds) == 0 {
		return
	}
	for ready() != nil {
		if !api.Sleep(ctx, api.StartPause) {
			return
		}
	}
	r.Plant(ctx, seeds)
}
