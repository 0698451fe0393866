// Package presence says whether anybody follows a subject, from memory: whether a
// node has an interest in its delivery copies, and whether a connection of a node
// follows it by its name.
package presence

import (
	"bytes"
	"context"

	"weft/jetstream/rpc"
	"weft/jetstream/subject"
)

const (
	// methodFollows says whether a connection of the node follows a subject.
	methodFollows = "follows"
	// followsInFlight bounds the answers that are made at once; each is one look
	// into a map.
	followsInFlight = 256
)

var (
	yes = []byte{1}
	no  = []byte{0}
)

// Presence answers for the cluster. Its methods may be called concurrently.
type Presence struct {
	subscribed func(subject string) bool
	rpc        *rpc.RPC
	local      Local
}

// New makes a Presence. subscribed says whether anybody in the cluster subscribes to a
// subject.
func New(subscribed func(subject string) bool, r *rpc.RPC) *Presence {
	return &Presence{subscribed: subscribed, rpc: r}
}

// Interest reports from memory whether a node of the cluster holds a
// subscription for the subject's delivery copies. Yes is true. No may be wrong
// for a moment while a node makes its live connection anew.
func (p *Presence) Interest(s string) bool { return p.subscribed(subject.Out + s) }

// Online reports whether a connection somewhere in the cluster follows the
// subject by its name. That there is none is believed only when the nodes say
// so themselves, since the connections of a node stay while its subscriptions
// are made anew. sure is false when some node did not answer: it may have one.
func (p *Presence) Online(ctx context.Context, s string) (online, sure bool) {
	if p.Interest(s) {
		return true, true
	}
	r := p.rpc.CallUntil(ctx, methodFollows, []byte(s), func(r rpc.Reply) bool {
		online = online || bytes.Equal(r.Data, yes)
		return online
	})
	return online, online || r.Coverage.Complete
}

// Handle lets follows, which must not block, say whether a connection of this node
// follows a subject.
func (p *Presence) Handle(follows func(subject string) bool) {
	p.rpc.Handle(methodFollows, followsInFlight, func(_ context.Context, data []byte) []byte {
		if follows(string(data)) {
			return yes
		}
		return no
	})
}
