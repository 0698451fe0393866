// Package presence says who follows a subject, from memory: whether a node has an
// interest in its delivery copies, whether a connection of a node follows it by its name,
// and, to those who follow its presence, how many connections it has in the cluster.
//
// Nothing is written for the latter, and nobody has a list of it. A node where somebody
// follows the presence of a subject has one watcher for it. The watcher subscribes to
// presence.<user> or presence.topic.<topic> in the account of the nodes, asks all nodes for
// their counts, and adds them up. From then on a node whose count changes says so there, in
// a hint; a node for whose counts nobody asks sends none. Counts that may have missed a
// hint are asked for again: of a node that was linked anew or whose process is another,
// after the connection was lost, and of all once in a while. The counts of a node are gone
// with the link to it. Whether that is all that there is to know depends on why: a process
// that has ended has no connections, and its host refuses new ones; a node that is cut off
// may have many.
//
// Followers are told of more connections after a moment and of fewer after five seconds, so
// that a page that is loaded again, through whichever node, does not seem to go.
package presence

import (
	"bytes"
	"context"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"weft/jetstream/rpc"
	"weft/jetstream/subject"
)

const (
	// methodFollows says whether a connection of the node follows a subject.
	methodFollows = "follows"
	// methodUnlink says that the links of a node, which it names, end, and nothing else.
	methodUnlink = "unlink"
	// followsInFlight bounds the answers that are made at once; each is one look
	// into a map.
	followsInFlight = 256
)

var (
	yes = []byte{1}
	no  = []byte{0}
)

// Params are what Presence needs of its node. Functions may be called concurrently.
type Params struct {
	Node string // its name
	// Subscribed says whether anybody in the cluster subscribes to a subject.
	Subscribed func(subject string) bool
	RPC        Calls
	// Listen is where the node listens for links; empty: nowhere.
	Listen string
	// Links are those to other nodes by their names.
	Links func() map[string]Link
	// Members is how many nodes the cluster has, this one included; Member says whether a
	// node is one of them, as far as this one knows.
	Members func() int
	Member  func(name string) bool
}

// Calls are those of nodes among each other; *rpc.RPC has them.
type Calls interface {
	CallAll(ctx context.Context, method string, data []byte) rpc.Replies
	CallUntil(ctx context.Context, method string, data []byte, enough func(rpc.Reply) bool) rpc.Replies
	Handle(method string, inFlight int, h rpc.Handler)
}

// Presence answers for the cluster. Its methods may be called concurrently.
type Presence struct {
	p        Params
	local    atomic.Pointer[Local]
	hints    *hints
	watchers *watchers
	bus      bus // set by Open, before Run
	knock    func(ctx context.Context, address string) error
}

// New makes a Presence, and answers other nodes that ask for counts.
func New(p Params, reg prometheus.Registerer) *Presence {
	m := newMetrics(reg)
	q := &Presence{p: p, hints: newHints(m), watchers: newWatchers(&p, m), knock: knock}
	p.RPC.Handle(methodCounts, countsInFlight, q.answer)
	p.RPC.Handle(methodUnlink, countsInFlight, func(_ context.Context, data []byte) []byte {
		q.watchers.staying(string(data))
		return yes
	})
	return q
}

// Open lets hints go through a connection, which must not hear what it publishes itself
// (nats.NoEcho) and has no handlers of its own; whoever made it closes it after Run has
// ended.
func (p *Presence) Open(conn *nats.Conn) { p.bus = newNatsBus(conn, p.watchers.missed) }

// Interest reports from memory whether a node of the cluster holds a
// subscription for the subject's delivery copies. Yes is true. No may be wrong
// for a moment while a node makes its live connection anew.
func (p *Presence) Interest(s string) bool { return p.p.Subscribed(subject.Out + s) }

// Online reports whether a connection somewhere in the cluster follows the
// subject by its name. That there is none is believed only when the nodes say
// so themselves, since the connections of a node stay while its subscriptions
// are made anew. sure is false when some node did not answer: it may have one.
func (p *Presence) Online(ctx context.Context, s string) (online, sure bool) {
	if p.Interest(s) {
		return true, true
	}
	r := p.p.RPC.CallUntil(ctx, methodFollows, []byte(s), func(r rpc.Reply) bool {
		online = online || bytes.Equal(r.Data, yes)
		return online
	})
	return online, online || r.Coverage.Complete
}

// Handle lets follows, which must not block, say whether a connection of this node
// follows a subject.
func (p *Presence) Handle(follows func(subject string) bool) {
	p.p.RPC.Handle(methodFollows, followsInFlight, func(_ context.Context, data []byte) []byte {
		if follows(string(data)) {
			return yes
		}
		return no
	})
}
