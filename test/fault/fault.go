// Package fault is the fault suite: a cluster of three real nodes, a real Kafka and a
// load balancer, with a load of numbered events that runs all the while; faults are
// done to it one after the other, and after each one every event is counted at every
// device that should have seen it.
//
//	make fault WEFT_FAULT=30m
//
// does faults at random for that long and prints a table. As a plain test each fault
// is done once or twice. WEFT_FAULT_ONLY names those to do, separated by commas.
// WEFT_FAULT_STRICT=1 demands the times of a machine that has nothing else to do.
// WEFT_FAULT_BESIDE=load runs beside it what takes all cores, WEFT_FAULT_FAILOVER=default
// gives the nodes that cluster.failover, and WEFT_FAULT_REPORT names a folder for a report
// that explains what was out of the ordinary, with the nodes' logs of it.
//
// How often the nodes elect is counted, too. While nothing is done to nodes and links, and
// all copies follow, they have no reason to: more than once an hour is a fault.
//
// A fault is a value: a name, what it does, and what must hold beyond what must
// always hold, which is that nothing is lost, doubled or reordered, and nobody is
// told of a loss that there was not.
package fault

import (
	"context"
	"os"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/stage"
)

// A Fault is something that happens to a cluster.
type Fault struct {
	// Name is that of the row in the table.
	Name string
	// Brief is how often a plain test does it, 0 for once.
	Brief int
	// Long says that a plain test does not do it: it is a variant of one that it does.
	Long bool
	// Network says that it takes nodes in networks of their own.
	Network bool
	// Calm says that it does nothing to the nodes and the links between them, so that
	// nobody has a reason to elect.
	Calm bool
	// Apply does it and undoes it; who calls waits until all nodes are ready.
	Apply func(ctx context.Context, c *Cluster) error
	// MaxSilence bounds the silence on connections that live through it, for events
	// from NATS and HTTP, and KafkaSilence for those from Kafka; 0: no bound. They
	// count with WEFT_FAULT_STRICT only.
	MaxSilence, KafkaSilence time.Duration
	// Check says what else is wrong with a round; nil: nothing can be.
	Check func(*Round) error
}

// atLength says that the faults are done for as long as asked, not only briefly.
func atLength() bool { return os.Getenv("WEFT_FAULT") != "" }

// faults are all faults, in the order in which a plain test does them: what can
// leave a copy behind comes late.
func faults() []Fault {
	oneWay := cut(stage.Out)
	oneWay.Long = true
	return []Fault{nothing, killLeader, killOther, rollingRestart, twoDown, brokerRestart, rebalanceStorm,
		crowdReturns, wrongClock, laggingRestart, otherDiskFull, leaderDiskFull, paused,
		cut(stage.In), oneWay, shortCuts, offline, longAway, cut(stage.Both)}
}

// nothing is the row to compare with: what the machine itself costs.
var nothing = Fault{Name: "nothing", Calm: true, Apply: func(ctx context.Context, _ *Cluster) error {
	if atLength() {
		return waitfor.Time(ctx, 20*time.Second)
	}
	return waitfor.Time(ctx, 3*time.Second)
}}
