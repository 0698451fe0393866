// Package clientchaos does to real browsers what happens to them: pages in Chromium follow
// numbered events with the client that the nodes serve, over each transport, with a
// connection of their own or one for several tabs; there are three real nodes behind
// HAProxy, and the browser is a host of its own as far as the network goes. Pages come by
// HTTP/1.1, by TLS and HTTP/2 of the balancer, and by that of the nodes. Faults are done
// to nodes, balancer, network and pages one after the other. After each one every event is
// counted at every page: none is lost, doubled or out of order, a reset comes only where it
// is due, and what the page was told of its connection was true.
//
//	make chaos WEFT_CLIENTCHAOS=30m
//
// does each fault, then faults at random for as long as that, and prints a table. As a plain
// test those that are quick are done once. WEFT_CLIENTCHAOS_ONLY names those to do,
// separated by commas; WEFT_CLIENTCHAOS_REPORT names a file for the table.
package clientchaos

import (
	"context"
	"os"
	"strings"
	"time"

	"weft/config/testkit/waitfor"
	"weft/test/stage"
)

// keepalive is that of the nodes; a client that has heard nothing for 2.5 of them says so.
const keepalive = time.Second

// A Fault is something that happens to the pages, or to what they speak to.
type Fault struct {
	// Name is that of the row in the table.
	Name string
	// Nodes says that it happens to the nodes: events may be late then though a page is
	// connected.
	Nodes bool
	// Apply does it and undoes it; who calls waits until all is well again.
	Apply func(ctx context.Context, w *World) error
}

// atLength says that the faults are done for as long as asked, not only briefly.
func atLength() bool { return os.Getenv("WEFT_CLIENTCHAOS") != "" }

// faults are all faults, in the order in which they are done at first.
func faults() []Fault {
	return []Fault{nothing, killed, drained, cutOff, balancerReloaded, balancerKilled,
		dropped(stage.Both), forgotten, unplugged, offline, frozen, oneFrozen, asleep, closed, reloaded,
		awayTooLong, revoked, expired, rollingRestart, allKilled, shortCuts, withoutTokens, storm,
		dropped(stage.In), dropped(stage.Out)}
}

// briefly are those of a plain test, some on the heels of others, which saves waiting.
func briefly() []Fault {
	return []Fault{nothing, then(killed, frozen), then(drained, balancerReloaded), then(cutOff, balancerKilled),
		dropped(stage.Both), then(asleep, unplugged), then(oneFrozen, closed, reloaded), awayTooLong, revoked}
}

// then does faults one after the other as one.
func then(all ...Fault) Fault {
	var names []string
	one := Fault{Apply: func(ctx context.Context, w *World) error {
		for _, f := range all {
			if err := f.Apply(ctx, w); err != nil {
				return err
			}
		}
		return nil
	}}
	for _, f := range all {
		names = append(names, f.Name)
		one.Nodes = one.Nodes || f.Nodes
	}
	one.Name = strings.Join(names, ", then ")
	return one
}

// nothing is the row to compare with.
var nothing = Fault{Name: "nothing", Apply: func(ctx context.Context, _ *World) error {
	return waitfor.Time(ctx, length(300*time.Millisecond, 10*time.Second))
}}

// length is how long something takes in a plain test, and at length.
func length(brief, long time.Duration) time.Duration {
	if atLength() {
		return long
	}
	return brief
}
