package presence

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// FuzzHint lets a node say anything: what cannot be meant is nothing, and no panic.
func FuzzHint(f *testing.F) {
	f.Add("presence.ann", []byte(`{"node":"n2","run":"r","seq":7,"connections":3}`), []byte(`{"run":"r","seq":1,"counts":[1]}`))
	f.Add("presence.topic.hotel.42", []byte(`{"node":"n2","run":"x","seq":18446744073709551615,"connections":-1}`), []byte(`{"run":"r","counts":[1,2],"devices":[[{"id":"x"}],null]}`))
	f.Add("user.ann", []byte(`null`), []byte(`{"run":"r","counts":[-5]}`))
	f.Add("presence.", []byte(`{"node":"n1","run":"r","connections":1e99}`), []byte(`[]`))
	f.Add("presence.ann", []byte(`{}`), []byte(`{"run":"r","seq":1,"counts":[1],"at":["10.0.0.2:6222","","[::]:0","x:99999"]}`))
	f.Fuzz(func(t *testing.T, s string, said, answered []byte) {
		n := newSilent()
		w := &watcher{subject: "user.ann", place: -1, devices: 1}
		n.watchers.by["user.ann"] = w
		n.watchers.links.saw(map[string]Link{"n2": {ID: 1, IP: "10.0.0.2"}}, "n1", time.Now())
		n.watchers.asks = append(n.watchers.asks, w)
		w.queued = true
		r, _ := n.watchers.nextRound()
		n.watchers.answered(r, replies("n2", answered))
		n.watchers.heard(s, said)
		c, _ := w.count(&n.watchers.links)
		if c.connections < 0 {
			t.Fatalf("%d connections", c.connections)
		}
		// What is said is understood.
		if h, ok := readHint(said); ok {
			name, err := json.Marshal(h.Node)
			if err != nil {
				t.Fatal(err)
			}
			h.Run = "RUN"
			if back, ok := readHint(h.encode(nil, string(name))); !ok || back != h {
				t.Fatalf("%+v is understood as %+v", h, back)
			}
		}
		if out := n.answer(t.Context(), said); out != nil && !json.Valid(out) {
			t.Fatalf("answer %q", out)
		}
	})
}

// newSilent is a node that does not run, with nothing around it.
func newSilent() *Presence {
	n := &testNode{c: &cluster{nodes: map[string]*testNode{}}, name: "n1"}
	p := New(Params{Node: "n1", Subscribed: func(string) bool { return false }, RPC: n, Members: func() int { return 1 }}, prometheus.NewRegistry())
	p.bus = n
	return p
}
