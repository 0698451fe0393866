// Package conformance holds nodes, and clients, to docs/protocol.md. It is one table: each
// behaviour of a connection, over each transport, on each way to serve it, of one node and of
// three, where one is followed at, another one is published at, and a third one is asked for
// changes. What the document says of clients is played to two of them by a node that is written
// in the test.
package conformance

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"weft/test/client"
	"weft/test/stage"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// The rows mostly wait, whatever the number of processors.
	if err := flag.Set("test.parallel", "32"); err != nil {
		panic(err)
	}
	code := m.Run()
	stage.RemoveBinary()
	os.Exit(code)
}

// A behaviour is a row: what a connection does, over the transports that have it.
type behaviour struct {
	name  string
	kinds []client.Transport // nil: all
	run   func(t *testing.T, p *place, kind client.Transport)
	// says names the sentences of docs/protocol.md that the row holds nodes to.
	says string
}

// lasting are the transports whose connections stay: a poll says all that it wants anew.
var lasting = []client.Transport{client.SSE, client.WebSocket}

// behaviours are all rows.
func behaviours() []behaviour {
	return slices.Concat(formats(), asking(), places(), changes(), polls(), endings(), []behaviour{
		{"an event has one id for all", nil, oneEventID, "event.id"},
		{"a connection begins in the past", nil, sincePast, "query.since open.since"},
		{"an id wins over a time", nil, idBeforeSince, "query.both"},
		{"the presence of a topic is followed", nil, presenceOfTopic, "presence.topic presence.change presence.id"},
		{"the presence of a user is followed", nil, presenceOfUser, "presence.user"},
		{"presence is told again after a resume", nil, presenceAfterResume, "presence.resume"},
		{"anybody follows what all may", nil, anybody, "token.none"},
		{"what a fresh token lacks is let go", lasting, unsubscribed, "unsubscribed.told unsubscribed.quiet change.brings"},
		{"what a fresh token lacks is refused", []client.Transport{client.Poll}, refusedLater, "poll.judged"},
		{"who has nothing left is sent away", lasting, nothingLeft, "unsubscribed.nothing end.unauthorised"},
		{"what is followed is set at once", lasting, set, "change.set change.answer change.anywhere"},
		{"each subject has types of its own", lasting, typesOfSubject, "change.types"},
		{"types of all subjects", nil, typesOfAll, "query.type"},
		{"who expires is warned once", lasting, expiring, "expiring.told expiring.once"},
		{"a change needs a token", lasting, changeNeedsToken, "change.owner"},
		{"the beginning of a stream is one block", []client.Transport{client.SSE}, beginning, "sse.retry"},
		{"keep-alives are JSON", lasting, keepalives, "keepalive.every"},
	})
}

// strictly are rows of a node that refuses much: one alone, served by the poller.
func strictly() []behaviour {
	return []behaviour{
		{"who has no token where all need one is refused", nil, missing, "refuse.missing"},
		{"who is one too many comes later", nil, limited, "end.limit close.refused close.retry error.retry"},
		{"who takes nothing is cut and misses nothing", lasting, lazy, "end.slow"},
		{"a frame may be long", nil, longFrame, "frame.size"},
		{"a message that is too long ends a connection", []client.Transport{client.WebSocket}, tooLong, "close.alone"},
		{"of a short token is told at once, and later of one that replaces it", lasting, expiringShort, "expiring.once"},
	}
}

func TestAStrictNodeOverEveryTransport(t *testing.T) {
	t.Parallel()
	nodes := &farms{t: t, at: map[string]*farm{}}
	strict := stacks[0]
	strict.settings = "strict"
	for _, row := range strictly() {
		for _, kind := range strict.kinds {
			if row.kinds != nil && !slices.Contains(row.kinds, kind) {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s", strings.ReplaceAll(row.name, " ", "_"), kind), func(t *testing.T) {
				t.Parallel()
				row.run(t, nodes.play(t, strict, 1), kind)
			})
		}
	}
}

func TestEveryBehaviourOverEveryTransportOnEveryStack(t *testing.T) {
	t.Parallel()
	nodes := &farms{t: t, at: map[string]*farm{}}
	for _, row := range behaviours() {
		for _, s := range stacks {
			for _, kind := range s.kinds {
				if row.kinds != nil && !slices.Contains(row.kinds, kind) {
					continue
				}
				for _, size := range []int{1, 3} {
					name := fmt.Sprintf("%s/%s/%s/%d", strings.ReplaceAll(row.name, " ", "_"), kind, s.name, size)
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						row.run(t, nodes.play(t, s, size), kind)
					})
				}
			}
		}
	}
}

var names atomic.Int64

// fresh is a name that no other row has.
func fresh(of string) string { return fmt.Sprintf("%s-%d", of, names.Add(1)) }
