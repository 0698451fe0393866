package jetstream

import (
	"bytes"
	"context"

	"weft/jetstream/subject"
)

// questionFollows asks whether a connection of the node follows a subject.
const questionFollows = "follows"

// followsInFlight bounds the answers that are made at once; each is one look
// into a map.
const followsInFlight = 256

var (
	yes = []byte{1}
	no  = []byte{0}
)

// Interest reports from memory whether a node of the cluster holds a
// subscription for the subject's delivery copies. Yes is true. No may be wrong
// for a moment while a node makes its live connection anew.
func (n *Node) Interest(s string) bool { return n.srv.interest(subject.Out + s) }

// Online reports whether a connection somewhere in the cluster follows the
// subject by its name. That there is none is believed only when the nodes say
// so themselves, since the connections of a node stay while its subscriptions
// are made anew. sure is false when some node did not answer: it may have one.
func (n *Node) Online(ctx context.Context, s string) (online, sure bool) {
	if n.Interest(s) {
		return true, true
	}
	a := n.AskUntil(ctx, questionFollows, []byte(s), func(a Answer) bool {
		online = online || bytes.Equal(a.Data, yes)
		return online
	})
	return online, online || a.Tally.Complete
}

// HandleFollows lets follows, which must not block, say whether a connection of
// this node follows a subject.
func (n *Node) HandleFollows(follows func(subject string) bool) {
	n.Handle(questionFollows, followsInFlight, func(_ context.Context, data []byte) []byte {
		if follows(string(data)) {
			return yes
		}
		return no
	})
}
