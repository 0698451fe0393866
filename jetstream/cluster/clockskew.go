package cluster

import (
	"context"
	"encoding/binary"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream/rpc"
)

const (
	methodClock = "clock"
	// clockEvery is how often a node compares its clock with the others'.
	clockEvery = 10 * time.Second
	// maxSkew is how far clocks may be apart before that is told; they agree
	// again at half of it.
	maxSkew = 2 * time.Second
	// clockTry bounds how long the answer to one comparison may take: it is
	// uncertain by half of that.
	clockTry = 500 * time.Millisecond
)

// clocks compares this node's clock with those of the nodes it is linked to.
//
// Nothing that is promised hangs on it: sequences order events, and the links
// and the waits of a node are measured by its own uptime. But the stream's
// leader gives each message its time, so that its age, and the end of entries
// of the blacklist, jump by the difference when another node leads; and tokens
// expire by the clock of the node that is asked.
type clocks struct {
	rpc  *rpc.RPC
	log  *slog.Logger
	skew *prometheus.GaugeVec

	mu  sync.Mutex
	far map[string]bool // of each peer whether it was told to be far
}

// newClocks begins with the node itself, which is no different from itself: so
// there is a series on a standalone node, too.
func newClocks(self string, calls *rpc.RPC, log *slog.Logger, reg prometheus.Registerer) *clocks {
	c := &clocks{rpc: calls, log: log, far: make(map[string]bool), skew: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "weft_jetstream_clock_skew_seconds",
		Help: "How far the clock of another node is ahead of this node's; negative when it is behind. The node itself is at 0."}, []string{"node"})}
	reg.MustRegister(c.skew)
	c.skew.WithLabelValues(self)
	return c
}

// answer tells other nodes this node's time.
func (c *clocks) answer() {
	c.rpc.Handle(methodClock, 16, func(context.Context, []byte) []byte {
		return binary.BigEndian.AppendUint64(nil, uint64(time.Now().UnixNano()))
	})
}

// run compares the clock with those of the peers until ctx ends.
func (c *clocks) run(ctx context.Context, peersNow func() []string) {
	t := time.NewTicker(clockEvery)
	defer t.Stop()
	for {
		peers := peersNow()
		for _, peer := range peers {
			if skew, ok := c.skewOf(ctx, peer); ok {
				c.note(peer, skew)
			}
		}
		c.keep(peers)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// skewOf asks a node for its time and returns how far that is ahead; not ok when it does
// not answer. The node is taken to have read its clock in the middle between
// question and answer.
func (c *clocks) skewOf(ctx context.Context, peer string) (skew time.Duration, ok bool) {
	try, cancel := context.WithTimeout(ctx, clockTry)
	defer cancel()
	asked := time.Now()
	data, err := c.rpc.Call(try, peer, methodClock, nil)
	if err != nil || len(data) != 8 {
		return 0, false // one that is starting, or has just gone
	}
	said := time.Unix(0, int64(binary.BigEndian.Uint64(data)))
	return said.Sub(asked.Add(time.Since(asked) / 2)), true
}

// note records a difference, and tells when it becomes too great or is well
// again.
func (c *clocks) note(peer string, skew time.Duration) {
	c.skew.WithLabelValues(peer).Set(skew.Seconds())
	c.mu.Lock()
	defer c.mu.Unlock()
	far := c.far[peer]
	c.far[peer] = far
	switch {
	case !far && skew.Abs() > maxSkew:
		c.far[peer] = true
		c.log.Warn("the clocks of two nodes are far apart; set them by NTP", "node", peer, "ahead", skew.Round(time.Millisecond))
	case far && skew.Abs() < maxSkew/2:
		c.far[peer] = false
		c.log.Info("the clocks of two nodes agree again", "node", peer)
	}
}

// keep forgets all nodes but the given ones.
func (c *clocks) keep(peers []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for p := range c.far {
		if !slices.Contains(peers, p) {
			delete(c.far, p)
			c.skew.DeleteLabelValues(p)
		}
	}
}
