package natsclients

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"weft/test/client"
	"weft/test/stage"
)

// maxPayload is what a node takes in one NATS message, maxEvent what it takes as an
// event.
const (
	maxEvent   = 1 << 20
	maxPayload = maxEvent + 64<<10
)

// Every library publishes as its documentation says, for those who may: what it is
// told is stored is stored once and delivered, and what is refused it is told.
func TestEveryLibraryPublishes(t *testing.T) {
	for _, w := range []who{local, asPublisher, asPublisherOfOldInbox} {
		for _, lib := range Libraries() {
			t.Run(w.name+"/"+lib.Name, func(t *testing.T) {
				t.Parallel()
				n := w.node(t)
				checkPublishing(w.connect(t, lib, n), n, lib.Name)
			})
		}
	}
}

// So it is in a cluster, to a connection at another node than the publisher's.
func TestLibrariesPublishToACluster(t *testing.T) {
	libs := Libraries()
	for w, some := range map[*who][]Library{&local: {libs[1], libs[5]}, &asPublisher: {libs[0], libs[3]}} {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			nodes := stage.StartCluster(t, forming(t), w.settings)
			for i, lib := range some {
				checkPublishing(w.connect(t, lib, nodes[i]), nodes[2], lib.Name)
			}
		})
	}
}

// checkPublishing publishes to ann, who listens at a node. Nobody else may use the
// message id.
func checkPublishing(h hand, n *stage.Node, id string) {
	h.t.Helper()
	ann := listen(h.t, n, "ann", nil)
	var want []string // type and payload of each event
	h.do(Request{Op: OpSend, Subject: "user.ann", Value: `{"n":1}`})
	h.do(Request{Op: OpSend, Subject: "user.ann", Value: "plain", Headers: map[string]string{"ce-type": "greeting"}})
	want = append(want, ` {"n":1}`, `greeting plain`)
	var last uint64
	stored := func(r Request) Answer {
		h.t.Helper()
		r.Op, r.Subject = OpPublish, "user.ann"
		a := h.do(r)
		if a.Stream != "EVENTS" || a.Seq == 0 {
			h.t.Errorf("the acknowledgement of %q is %+v", r.Value, a)
		}
		return a
	}
	for i := range 3 {
		text := fmt.Sprintf(`{"acknowledged":%d}`, i)
		a := stored(Request{Value: text, Headers: map[string]string{"ce-type": "order.paid"}})
		if a.Duplicate || a.Seq <= last {
			h.t.Errorf("event %d is acknowledged as %+v after %d", i, a, last)
		}
		last = a.Seq
		want = append(want, "order.paid "+text)
	}
	first := stored(Request{Value: "once", ID: id})
	again := stored(Request{Value: "twice", ID: id})
	if first.Duplicate || !again.Duplicate || again.Seq != first.Seq {
		h.t.Errorf("an id is acknowledged as %+v, then as %+v", first, again)
	}
	h.do(Request{Op: OpSend, Subject: "user.ann", Value: "thrice", Headers: map[string]string{"Nats-Msg-Id": id}})
	want = append(want, " once")

	checkRefusals(h)

	stored(Request{Size: maxEvent})
	want = append(want, " "+strings.Repeat("x", maxEvent))
	events, err := ann.AwaitEvents(soon(h.t), len(want))
	if err != nil {
		h.t.Fatalf("wait for %d events: %v", len(want), err)
	}
	if got := texts(events); !slices.Equal(got, want) {
		h.t.Errorf("ann got %.100q, want %.100q", got, want)
	}
}

func texts(events []client.Event) (list []string) {
	for _, e := range events {
		list = append(list, e.Type+" "+string(bytes.TrimSpace(e.Data)))
	}
	return list
}

// checkRefusals publishes what may not be.
func checkRefusals(h hand) {
	h.t.Helper()
	for _, c := range []struct {
		request Request
		says    []string // one of them stands in the error
	}{
		{Request{Subject: "user.ann@x.org", Value: "1"}, []string{"must be escaped"}},
		{Request{Subject: "user.ann", Size: maxEvent + 1}, []string{"too large"}},
		{Request{Subject: "user.ann", Value: "1", Headers: map[string]string{"Nats-Rollup": "sub"}}, []string{"nats-rollup is not for publishers"}},
		// The library itself knows that this is too much.
		{Request{Subject: "user.ann", Size: maxPayload + 1}, []string{"maximum payload", "max_payload", "maxpayload"}},
	} {
		c.request.Op = OpPublish
		text := h.refused(c.request)
		if !slices.ContainsFunc(c.says, func(s string) bool { return strings.Contains(strings.ToLower(text), s) }) {
			h.t.Errorf("a publish to %s of %d bytes with %v: the library says %q, want one of %q",
				c.request.Subject, len(c.request.payload()), c.request.Headers, text, c.says)
		}
	}
	// Without an acknowledgement an error of the connection tells.
	_, err := h.Do(soon(h.t), Request{Op: OpSend, Subject: "out.user.ann", Value: "forged"})
	trouble := h.do(Request{Op: OpTrouble}).Text
	if !strings.Contains(strings.ToLower(trouble), "permissions") || !strings.Contains(trouble, "out.user.ann") {
		h.t.Errorf("a publish to out.user.ann: the library says %q (and %v)", trouble, err)
	}
}
