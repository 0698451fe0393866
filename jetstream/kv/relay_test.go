package kv

import (
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"weft/jetstream/api"
	"weft/jetstream/subject"
)

// What an operator writes is stored when all its headers are known to be safe, and who
// waits for an answer is told either way.
func TestWhatIsWrittenIsCheckedStoredAndAnswered(t *testing.T) {
	a, cfg := openAccount(t, "b", 3)
	if err := Ensure(t.Context(), a.JS, cfg); err != nil {
		t.Fatal(err)
	}
	if err := Relay(a.Conn, "weft.write.n1.", subject.Keys, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		subject string
		header  nats.Header
		code    int // 0: stored
	}{
		"plain":                  {"b.k", nil, 0},
		"an operation":           {"b.k", nats.Header{"KV-Operation": {"PURGE"}, "Nats-Rollup": {"sub"}}, 0},
		"a condition that holds": {"b.new", nats.Header{headerExpected: {"0"}}, 0},
		"one that does not":      {"b.k", nats.Header{headerExpected: {"77"}}, api.CodeSequence},
		"stamps":                 {"b.k", nats.Header{"Nats-Stream": {"KV_b"}, "Nats-Sequence": {"3"}, "Nats-Request-Info": {"{}"}}, 0},
		"the last message id":    {"b.k", nats.Header{"Nats-Expected-Last-Msg-Id": {"x"}}, codeHeader},
		"in other letters":       {"b.k", nats.Header{"nats-expected-last-msg-id": {"x"}}, codeHeader},
		"what is not known":      {"b.k", nats.Header{"Nats-Next-Year": {"x"}}, codeHeader},
		"a header twice":         {"b.k", nats.Header{headerRollup: {"sub", "all"}}, codeHeader},
		"a batch":                {"b.k", nats.Header{"Nats-Batch-Id": {"x"}}, codeHeader},
		"no bucket":              {"nobody.k", nil, api.CodeUnavailable},
	} {
		resp, err := a.Conn.RequestMsg(&nats.Msg{Subject: "weft.write.n1." + c.subject, Header: c.header, Data: []byte("1")}, time.Minute)
		if err != nil {
			t.Fatal(name, err)
		}
		var got struct {
			Error *api.Error
			Seq   uint64
		}
		if err := json.Unmarshal(resp.Data, &got); err != nil {
			t.Fatalf("%s: %q", name, resp.Data)
		}
		switch {
		case c.code == 0 && (got.Error != nil || got.Seq == 0), c.code != 0 && (got.Error == nil || got.Error.ErrCode != c.code):
			t.Errorf("%s: answered %s, want code %d", name, resp.Data, c.code)
		}
	}
}

// Nobody is answered at a subject that something else listens to, and a writer that never
// hears costs no memory for long.
func TestAnswersGoToInboxesAndAreForgotten(t *testing.T) {
	for reply, want := range map[string]bool{"_INBOX.x.1": true, "_INBOX_ops.x.1": true, "_R_.abc": true, "": false,
		"$JS.API.STREAM.DELETE.KV_b": false, "$KV.b.k": false, "weft.write.n1.b.k": false, "_INBOX.*": false} {
		if got := isAnswerable(reply); got != want {
			t.Errorf("%q: %v", reply, got)
		}
	}
	now := time.Now()
	r := &relay{inbox: "_WEFT.x.", now: func() time.Time { return now }, young: map[string]string{}, old: map[string]string{}, rotated: now}
	for range relayPending {
		r.remember("_INBOX.lost")
	}
	if r.remember("_INBOX.beyond") != "" {
		t.Error("there is room without end")
	}
	now = now.Add(relayMemory + 1)
	kept := r.remember("_INBOX.kept")
	now = now.Add(relayMemory + 1)
	if r.remember("_INBOX.next"); len(r.young)+len(r.old) != 2 {
		t.Errorf("%d are remembered", len(r.young)+len(r.old))
	}
	if got := r.whose(kept); got != "_INBOX.kept" {
		t.Errorf("answered at %q", got)
	}
	if got := r.whose(kept); got != "" {
		t.Errorf("answered twice, at %q", got)
	}
}

// Whatever the header of a message is, no header with a meaning to the stream is stored but
// those that are safe.
func FuzzStoredHeader(f *testing.F) {
	for _, h := range []string{"", "KV-Operation: DEL\r\n", "Nats-TTL: 1s\r\n", "Nats-Expected-Last-Msg-Id: x\r\n", "nats-Expected-Last-Msg-Id : x\r\n",
		"A: b\r\n Nats-Expected-Last-Msg-Id: x\r\n", "A: b\nNats-Expected-Last-Msg-Id: x\r\n", "A: b\rNats-Expected-Last-Msg-Id: x\r\n", ": x\r\n"} {
		f.Add(h)
	}
	f.Fuzz(func(t *testing.T, text string) {
		header, err := nats.DecodeHeadersMsg([]byte("NATS/1.0\r\n" + text + "\r\n"))
		if err != nil {
			return
		}
		out, err := stored(&nats.Msg{Header: header})
		if err != nil {
			return
		}
		for _, name := range slices.Sorted(maps.Keys(out)) {
			if strings.HasPrefix(strings.ToLower(name), "nats-") && !oneOf(name, writable) {
				t.Errorf("%q is stored with %q", text, name)
			}
		}
	})
}
